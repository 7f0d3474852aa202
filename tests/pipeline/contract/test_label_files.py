"""The label set file: a saved label set reads back unchanged, and anything else is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError
from ssmi.pipeline.contract.label_files import load_labels, save_labels
from ssmi.pipeline.contract.labels import LabelSet, TagScheme


@pytest.mark.parametrize("scheme", get_args(TagScheme))
def test_a_saved_label_set_reads_back(tmp_path: Path, scheme: TagScheme) -> None:
    labels = LabelSet.of(["地名", "PER"], scheme=scheme)
    save_labels(labels, tmp_path / "labels.json")
    assert load_labels(tmp_path / "labels.json") == labels
    assert json.loads((tmp_path / "labels.json").read_text(encoding="utf-8"))["tags"] == list(labels.tags)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"3",
        b"{}",
        b'{"scheme": "BILOU", "entity_types": [], "tags": ["O"]}',
        b'{"scheme": "BIO", "entity_types": 3, "tags": ["O"]}',
        b'{"scheme": "BIO", "entity_types": ["X"], "tags": ["O", "I-X", "B-X"]}',
        b'{"scheme": "BIO", "entity_types": ["A\\nB-B"], "tags": ["O", "B-A\\nB-B", "I-A\\nB-B"]}',
        b'{"scheme": "BIO", "entity_types": ["\\u001b[2J"], "tags": ["O", "B-\\u001b[2J", "I-\\u001b[2J"]}',
        b'{"scheme": "BIO", "entity_types": [3], "tags": ["O", "B-3", "I-3"]}',
        b"[" * 100_000,
    ],
)
def test_invalid_label_sets_are_stale(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "labels.json"
    with pytest.raises(MissingResourceError, match=r"labels\.json: does not exist"):
        load_labels(path)
    path.write_bytes(body)
    with pytest.raises(StaleArtifactError, match=r"labels\.json: not a label set"):
        load_labels(path)

"""Digests of files, computed once per process, and objects sealed with their own digest."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.storage.digests import (
    SEAL,
    digest_file,
    digest_json,
    digest_once,
    seal,
    short_digest,
    unseal,
)

VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=4), st.lists, max_leaves=6)


def test_a_changed_file_with_the_same_time_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "big"
    for letter in b"abc":
        body = bytes([letter]) * (2 << 20)
        path.write_bytes(body)
        os.utime(path, ns=(0, 0))  # like rsync -t: size and time are unchanged
        assert digest_once(path) == digest_file(path) == hashlib.sha256(body).hexdigest()


def test_a_short_digest_is_the_beginning_of_the_whole() -> None:
    # Folders of pinned features have such names, so the length must not change.
    assert short_digest(hashlib.sha256(b"").hexdigest()) == "e3b0c44298fc"
    assert short_digest("missing") == "missing"


def test_a_hard_link_has_the_digest_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    os.link(tmp_path / "a", tmp_path / "b")
    assert digest_once(tmp_path / "b") == digest_once(tmp_path / "a") == hashlib.sha256(b"a").hexdigest()


@given(st.dictionaries(st.text(max_size=3).filter(lambda key: key != SEAL), VALUES, max_size=4))
def test_a_sealed_object_is_unsealed_unchanged(body: dict[str, object]) -> None:
    import json

    sealed = seal(body)
    assert sealed[SEAL] == digest_json(body)
    assert unseal(json.dumps(sealed, indent=1).encode()) == body


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"\xff\xfe{}", b'{"a": 1}', b'{"a": 1, "sha256": 3}', b"[" * 9000])
def test_unsealed_objects_are_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        unseal(text)

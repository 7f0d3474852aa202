"""Parquet files, read with ``read_sentences``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.readers import Sentence, read_sentences
from ssmi.pipeline.readers.options import ReadOptions

NAMES = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
TOKENS = ["李", "明", "在", "京"]
EXPECTED = Sentence(tuple(TOKENS), (Span(0, 2, "PER"), Span(3, 4, "LOC")), 1)


def write(path: Path, rows: list[dict[str, Any]], features: Any = None) -> Path:
    table = pa.Table.from_pylist(rows)
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path)
    return path


def tagged(path: Path, features: Any = None) -> Path:
    return write(
        path,
        [{"id": "0", "tokens": TOKENS, "ner_tags": [1, 2, 0, 3]}, {"id": "1", "tokens": [], "ner_tags": []}],
        features,
    )


@pytest.mark.parametrize(
    "feature",
    [
        {"feature": {"names": NAMES, "_type": "ClassLabel"}, "_type": "Sequence"},
        {"_type": "List", "length": -1, "feature": {"_type": "ClassLabel", "names": NAMES, "num_classes": 5}},
        [{"names": NAMES, "_type": "ClassLabel"}],
    ],
)
def test_tag_names_are_read_from_the_metadata(tmp_path: Path, feature: Any) -> None:
    tokens = {"feature": {"dtype": "string", "_type": "Value"}, "_type": "Sequence"}
    sentences, report = read_sentences(tagged(tmp_path / "train.parquet", {"tokens": tokens, "ner_tags": feature}))
    assert list(sentences) == [EXPECTED]
    assert (report.format, report.scheme, report.skipped) == ("parquet", "BIO", {"empty-text": 1})


@pytest.mark.parametrize("type_name", ["P\x02", "\ud800"])
def test_unprintable_tag_names_in_the_metadata_are_refused(tmp_path: Path, type_name: str) -> None:
    feature = {"names": ["O", f"B-{type_name}", *NAMES[2:]], "_type": "ClassLabel"}
    with pytest.raises(InputDataError, match=r"train\.parquet:1: .* holds a control character, half a surrogate pair"):
        list(read_sentences(tagged(tmp_path / "train.parquet", {"ner_tags": feature}))[0])


def test_tag_names_may_be_given_as_an_option(tmp_path: Path) -> None:
    path = tagged(tmp_path / "train.parquet", {"ner_tags": {"dtype": "int64", "_type": "Value"}})
    with pytest.raises(InputDataError, match=r"train\.parquet:1: .*by name, not by number") as caught:
        list(read_sentences(path)[0])
    assert "labels:" in caught.value.next_step
    assert list(read_sentences(path, options=ReadOptions(labels=tuple(NAMES)))[0]) == [EXPECTED]


@pytest.mark.parametrize(
    "cell",
    [
        [{"start": 0, "end": 2, "label": "PER"}, {"start": 3, "end": 4, "label": "LOC"}],
        {"start": [0, 3], "end": [2, 4], "label": ["PER", "LOC"]},
        {"start": [0, 3], "end": [2, 4], "label": [0, 1]},
        '[[0, 2, "PER"], [3, 4, "LOC"]]',
    ],
)
def test_texts_with_entities_are_read(tmp_path: Path, cell: Any) -> None:
    features = {"entities": {"label": {"feature": {"names": ["PER", "LOC"], "_type": "ClassLabel"}}}}
    path = write(tmp_path / "train.parquet", [{"text": "李明在京", "entities": cell, "more": 1.5}], features)
    assert list(read_sentences(path)[0]) == [EXPECTED]


def test_rows_are_read_in_batches_and_counted(tmp_path: Path) -> None:
    rows = [{"text": "京", "entities": "[]"}] * 2500 + [{"text": "京", "entities": "x"}]
    sentences, report = read_sentences(write(tmp_path / "train.parquet", rows))
    assert next(sentences).line == 1
    assert report.n_sentences == 1
    with pytest.raises(InputDataError, match=r"train\.parquet:2501: expected entities, got a text that is not JSON"):
        list(sentences)


def test_missing_and_invalid_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    with pytest.raises(MissingResourceError):
        list(read_sentences(path)[0])
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(InputDataError, match="not a Parquet file"):
        list(read_sentences(path)[0])
    write(path, [{"a": 1}])
    with pytest.raises(InputDataError, match=r":1: no string under 'text'"):
        list(read_sentences(path)[0])

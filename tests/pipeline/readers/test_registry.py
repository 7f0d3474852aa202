"""How a file's format is detected, and what all formats share."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.readers import read_sentences
from ssmi.pipeline.readers.options import ReadOptions

Write = Callable[..., Path]

CONTENT = {
    "columns": "京 B-LOC\n好 O\n\n",
    "bracket": "# 例\n今天 很好。\n[京|LOC]好\n",
    "jsonl": '{"text": "京好", "entities": [[0, 1, "LOC"]]}\n',
}


@pytest.mark.parametrize("name", ["raw", "raw.txt", "raw.txt.gz", "raw.v2.TXT"])
@pytest.mark.parametrize("kind", CONTENT)
def test_format_is_detected_from_the_content(write: Write, kind: str, name: str) -> None:
    content = CONTENT[kind].encode()
    sentences, report = read_sentences(write(gzip.compress(content) if name.endswith("gz") else content, name))
    assert report.format == kind
    assert sum(len(sentence.entities) for sentence in sentences) == 1


@pytest.mark.parametrize(("kind", "name"), [("jsonl", "a.jsonl"), ("jsonl", "a.NDJSON.gz"), ("columns", "a.bmes")])
def test_the_file_extension_takes_precedence_over_the_content(write: Write, kind: str, name: str) -> None:
    _, report = read_sentences(write("[京|LOC]好\n", name))
    assert report.format == kind


def test_rows_of_bracket_characters_are_read_as_columns(write: Write) -> None:
    sentences, report = read_sentences(write("# O\n[ O\n京 B-LOC\n| O\n] O\n\n"))
    assert next(sentences).text == "#[京|]"
    assert report.format == "columns"


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff", "-DOCSTART- O\n\n"])
@pytest.mark.parametrize("name", ["raw.txt", "raw.jsonl", "raw.csv"])
def test_files_without_a_sentence_are_refused(write: Write, content: str, name: str) -> None:
    if content.startswith("-"):
        content = {"raw.jsonl": '{"text": "", "entities": []}\n', "raw.csv": ""}.get(name, content)
    path = write(content, name)
    with pytest.raises(InputDataError, match="holds no sentence"):
        list(read_sentences(path)[0])


@pytest.mark.parametrize("content", ["", "\n\n", "-DOCSTART- O\n\n"])
@pytest.mark.parametrize(
    ("split", "ending"),
    [
        (None, ""),
        ("train", ""),
        ("dev", ", or remove it: prepare.dev_fraction of train is then held out in its place"),
        ("test", ", or remove it: a data set needs no test file"),
    ],
)
def test_an_empty_split_that_may_be_missing_may_be_removed(
    write: Write, content: str, split: str | None, ending: str
) -> None:
    with pytest.raises(InputDataError) as caught:
        list(read_sentences(write(content, "dev.bmes"), split=split)[0])
    next_step = caught.value.next_step
    assert next_step.endswith(ending) and ("remove it" in next_step) == bool(ending)


def test_a_file_of_comments_is_refused(write: Write) -> None:
    with pytest.raises(InputDataError):
        list(read_sentences(write("# nothing\n"))[0])


def test_a_missing_file_is_a_missing_resource(tmp_path: Path) -> None:
    with pytest.raises(MissingResourceError, match="no such file"):
        read_sentences(tmp_path / "none.bmes")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match="a folder, where a file is expected"):
        read_sentences(tmp_path)


@pytest.mark.parametrize("packed", [False, True])
def test_bytes_that_are_not_utf8_are_refused_with_their_line(write: Write, packed: bool) -> None:
    content = "京 O\n".encode() + "京".encode("gb18030") + b" O\n"
    path = write(gzip.compress(content) if packed else content)
    with pytest.raises(InputDataError) as caught:
        list(read_sentences(path)[0])
    assert f"{path}:2: not UTF-8 (byte 1 of the line is 0xbe: " in caught.value.message
    assert "UTF-8" in caught.value.next_step


def test_a_truncated_gzip_file_is_refused(write: Write) -> None:
    path = write(gzip.compress("京 O\n".encode() * 1000)[:-12])
    with pytest.raises(InputDataError, match="broken gzip"):
        list(read_sentences(path)[0])


def test_sentences_are_streamed(write: Write) -> None:
    """A broken row near the end does not prevent reading the sentences before it."""
    path = write('{"text": "甲", "spans": []}\n' * 500 + "?\n", "raw.jsonl")
    sentences, report = read_sentences(path)
    assert next(sentences).line == 1
    assert report.n_sentences == 1
    with pytest.raises(InputDataError, match=":501: "):
        list(sentences)
    assert report.n_sentences == 500


@pytest.mark.parametrize("name", ["raw.json", "raw.jsonl", "raw.txt", "raw.json.gz"])
@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("jsonl", {"text": "京", "label": [[0, 1, "LOC"]]}),
        ("cluener", {"text": "京", "label": {"LOC": {"京": [[0, 0]]}}}),
        ("w2ner", {"sentence": ["京"], "ner": [{"index": [0], "type": "LOC"}]}),
        (
            "label-studio",
            {
                "data": {"text": "京"},
                "annotations": [{"result": [{"value": {"start": 0, "end": 1, "labels": ["LOC"]}}]}],
            },
        ),
    ],
)
@pytest.mark.parametrize("shape", ["lines", "array", "spread"])
def test_a_json_format_is_detected_from_the_first_row(
    write: Write, kind: str, row: object, shape: str, name: str
) -> None:
    text = json.dumps(row) if shape == "lines" else json.dumps([row], indent=2 if shape == "spread" else None)
    sentences, report = read_sentences(write(gzip.compress(text.encode()) if name.endswith("gz") else text, name))
    assert report.format == kind
    assert [one.entities for one in sentences] == [(Span(0, 1, "LOC"),)]


def test_a_row_that_matches_two_formats_is_refused(write: Write) -> None:
    row = {"sentence": ["京"], "ner": [{"index": [0], "type": "LOC"}], "text": "京", "label": {}}
    path = write(json.dumps(row), "raw.json")
    with pytest.raises(InputDataError, match="may be one of cluener or of w2ner") as caught:
        read_sentences(path)
    assert "`format: cluener`" in caught.value.next_step
    sentences, _ = read_sentences(path, options=ReadOptions(format="w2ner"))
    assert next(sentences).entities == (Span(0, 1, "LOC"),)

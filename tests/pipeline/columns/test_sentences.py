"""The sentences of a part as columns."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssmi.pipeline.columns.sentences import read_sentences, sentences_table
from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.contract.parquet import schema, tables


def _write(path: Path, sentences: list[list[str]]) -> Path:
    rows = [
        {"sentence_id": index, "line": index + 1, "characters": characters, "entities": []}
        for index, characters in enumerate(sentences)
    ]
    tables.write_rows(path, schema.SENTENCES, rows)
    return path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=30)
@given(st.lists(st.text("中国a😀", max_size=8), max_size=5))
def test_characters_are_read_as_one_text(tmp_path: Path, texts: list[str]) -> None:
    sentences = read_sentences(_write(tmp_path / "part.parquet", [list(text) for text in texts]))
    assert sentences.texts == texts and sentences.text == "".join(texts) and len(sentences) == len(texts)
    assert sentences.codes.tolist() == [ord(character) for text in texts for character in text]


def test_tokens_of_an_older_version_are_stale(tmp_path: Path) -> None:
    path = _write(tmp_path / "part.parquet", [["北", "京", "清华"]])
    with pytest.raises(StaleArtifactError, match=r"'北京清华' holds tokens of several characters") as caught:
        read_sentences(path)
    assert caught.value.next_step == "ssmi-cli features build --force"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=30)
@given(st.lists(st.text("中国a\xe9\u0800😀", max_size=8), max_size=5), st.booleans())
def test_a_table_has_the_same_bytes_as_its_rows(tmp_path: Path, texts: list[str], is_corpus: bool) -> None:
    entities = [tuple(Span(at, at + 1, "人名") for at in range(0, len(text), 2)) for text in texts]
    lines = list(range(5, 5 + len(texts)))
    rows = [
        {
            "sentence_id": 3 + index,
            "line": lines[index],
            "characters": list(text),
            "entities": None
            if is_corpus
            else [{"start": e.start, "end": e.end, "label": e.label} for e in entities[index]],
        }
        for index, text in enumerate(texts)
    ]
    tables.write_rows(tmp_path / "rows.parquet", schema.SENTENCES, rows)
    table = sentences_table(texts, lines=lines, entities=None if is_corpus else entities, first=3)
    tables.write_table(tmp_path / "table.parquet", schema.SENTENCES, table)
    assert (tmp_path / "table.parquet").read_bytes() == (tmp_path / "rows.parquet").read_bytes()

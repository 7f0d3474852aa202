"""The sentences of a part of the prepare stage, as columns."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from ssmi.pipeline.columns.lists import offsets, text_of, whole
from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.features.columns import SentenceColumns


def read_sentences(path: Path) -> SentenceColumns:
    """Read the characters of all sentences of a part; raises as ``sentence_columns`` and ``read_table`` do."""
    return sentence_columns(tables.read_table(path, schema.SENTENCES, columns=["characters"]))


def sentence_columns(table: pa.Table) -> SentenceColumns:
    """The column ``characters`` of a table of sentences.

    Raises:
        StaleArtifactError: A token holds several code points, which older versions prepared.
    """
    lists = whole(table, "characters")
    characters = lists.flatten()
    sentences = SentenceColumns(text_of(characters), offsets(lists))
    if len(sentences.text) != len(characters):
        text = next(text for text in map("".join, lists.to_pylist()) if text)
        raise StaleArtifactError(
            f"the part that begins with {text[:40]!r} holds tokens of several characters: prepared by an older version",
            next_step="ssmi-cli features build --force",
        )
    return sentences

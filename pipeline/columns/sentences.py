"""The sentences of a part of the prepare stage, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from ssmi.pipeline.columns.lists import characters_of, list_array, offsets, text_of, whole
from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.contract.offsets import offsets_of
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.features.columns import SentenceColumns


def sentences_table(
    texts: Sequence[str], *, lines: Sequence[int], entities: Sequence[Sequence[Span]] | None, first: int = 0
) -> pa.Table:
    """Build a table of sentences as the prepare stage writes it.

    Args:
        texts: One text per sentence.
        lines: Line of its file on which each sentence begins, from 1.
        entities: Entities of each sentence, in order; None for a corpus, which has no entities.
        first: Id of the first sentence.

    Returns:
        A table of ``schema.SENTENCES``.
    """
    n, kinds = len(texts), {field.name: field.type for field in schema.SENTENCES}
    columns = {
        "sentence_id": pa.array(np.arange(first, first + n), kinds["sentence_id"]),
        "line": pa.array(lines, kinds["line"]),
        "characters": list_array(offsets_of([len(text) for text in texts]), characters_of("".join(texts))),
        "entities": pa.nulls(n, kinds["entities"]) if entities is None else _entity_lists(entities),
    }
    return pa.table(columns, schema=schema.SENTENCES)


def _entity_lists(entities: Sequence[Sequence[Span]]) -> pa.ListArray:
    kind = schema.SENTENCES.field("entities").type.value_type
    spans = [span for of_sentence in entities for span in of_sentence]
    values = [[span.start for span in spans], [span.end for span in spans], [span.label for span in spans]]
    columns = [pa.array(each, field.type) for each, field in zip(values, kind, strict=True)]
    structs = pa.StructArray.from_arrays(columns, fields=list(kind))
    return list_array(offsets_of([len(of_sentence) for of_sentence in entities]), structs)


def read_sentences(path: Path) -> SentenceColumns:
    """Read the characters of all sentences of a part; raises as ``sentence_columns`` and ``read_table`` do."""
    return sentence_columns(tables.read_table(path, schema.SENTENCES, columns=["characters"]))


def sentence_columns(table: pa.Table) -> SentenceColumns:
    """Convert the column ``characters`` of a table of sentences.

    Raises:
        StaleArtifactError: A token holds several code points, as in tables that older versions prepared.
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

"""Columns of a part of the shards: its tags, and the results of the selection and pmi stages for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ssmi.pipeline.columns.lists import list_array, numbers, offsets, whole
from ssmi.pipeline.columns.selections import open_selections
from ssmi.pipeline.contract.labels import TagScheme
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.features.assemble import tag_ids
from ssmi.pipeline.features.columns import SentenceColumns

_MATCHES = ("match_starts", "match_ends", "match_ids")


def tag_column(
    table: pa.Table, sentences: SentenceColumns, *, entity_types: Sequence[str], scheme: TagScheme
) -> pa.Array:
    """Tag ids of each sentence; null in unlabelled text, which is not the same as text without entities."""
    lists = whole(table, "entities")
    if lists.null_count == len(lists):
        return pa.nulls(len(lists), schema.SHARDS.field("tag_ids").type)
    entities = lists.flatten()
    before = np.repeat(sentences.offsets[:-1], np.diff(offsets(lists)))
    types = pc.index_in(entities.field("label"), value_set=pa.array(entity_types, pa.string()))
    tags = tag_ids(
        numbers(entities.field("start")) + before,
        numbers(entities.field("end")) + before,
        numbers(types),
        n_characters=len(sentences.text),
        scheme=scheme,
    )
    return list_array(sentences.offsets, pa.array(tags))


def selection_columns(selection_ids: Path, selections: Path, sentences: SentenceColumns) -> dict[str, pa.Array]:
    """Boundaries selected for each character.

    Args:
        selection_ids: Part of the selection stage that gives each character's selection id.
        selections: Folder of the arrays of all selections.
        sentences: Sentences of the part.

    Returns:
        Column name → one list per sentence, of one value or one list per character.

    """
    asked = tables.read_table(selection_ids, schema.SELECTION_IDS, columns=["selection_ids"])
    chosen = open_selections(selections).take(numbers(whole(asked, "selection_ids")))
    per_character = {
        "best_ids": pa.array(chosen.best_ids),
        "best_cosines": pa.array(chosen.best_cosines),
        "set_ids": list_array(chosen.sets.offsets, pa.array(chosen.sets.ids)),
        "negative_ids": list_array(chosen.negatives.offsets, pa.array(chosen.negatives.ids)),
    }
    return {name: list_array(sentences.offsets, values) for name, values in per_character.items()}


def pmi_columns(pmi: Path, *, matches: bool, n_sentences: int) -> dict[str, pa.Array]:
    """Local boundaries of a part of the pmi stage, and its matches, or nulls if ``matches`` is False."""
    names = ["local_ids", *(_MATCHES if matches else ())]
    table = tables.read_table(pmi, schema.MATCHES, columns=names)
    nothing = pa.nulls(n_sentences, schema.SHARDS.field("match_ids").type)
    return {**dict.fromkeys(_MATCHES, nothing), **{name: whole(table, name) for name in names}}

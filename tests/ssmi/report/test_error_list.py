"""The list of errors is truncated, but its counts include all errors."""

from __future__ import annotations

from typing import Any

from ssmi.model.data.shards import open_shards
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.report.error_list import list_errors


def test_a_long_list_is_truncated_but_its_counts_are_complete(built_once: Any) -> None:
    folder = built_once.root / "artifacts" / "shards" / "tiny"
    rows = tables.read_rows(folder / "dev" / "part-00000.parquet", schema.SHARDS)
    gold = [[Span(entity["start"], entity["end"], entity["label"]) for entity in row["entities"]] for row in rows]
    labels = sorted({span.label for spans in gold for span in spans})
    no_entities: list[list[Span]] = [[] for _ in rows]
    truncated = list_errors(
        shards=open_shards(folder), split="dev", labels=labels, gold=gold, predicted=no_entities, limit=3
    )
    assert len(truncated.errors) == 3
    assert truncated.counts["missed"] == sum(map(len, gold)) > 3
    assert truncated.n_sentences == sum(map(bool, gold))
    complete = list_errors(shards=open_shards(folder), split="dev", labels=labels, gold=gold, predicted=no_entities)
    assert complete.n_errors == len(complete.errors) == truncated.n_errors
    assert complete.errors[:3] == truncated.errors

"""The list of errors is truncated, but its counts include all errors."""

from __future__ import annotations

from typing import Any

from ssmi.model.data.shards import open_shards
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.report.error_list import list_errors


def test_a_long_list_is_cut_and_its_counts_are_not(built_once: Any) -> None:
    folder = built_once.root / "artifacts" / "shards" / "tiny"
    rows = tables.read_rows(folder / "dev" / "part-00000.parquet", schema.SHARDS)
    gold = [[Span(one["start"], one["end"], one["label"]) for one in row["entities"]] for row in rows]
    labels = sorted({span.label for spans in gold for span in spans})
    nothing: list[list[Span]] = [[] for _ in rows]
    cut = list_errors(shards=open_shards(folder), split="dev", labels=labels, gold=gold, predicted=nothing, limit=3)
    assert len(cut.errors) == 3
    assert cut.counts["missed"] == sum(map(len, gold)) > 3
    assert cut.n_sentences == sum(map(bool, gold))
    everything = list_errors(shards=open_shards(folder), split="dev", labels=labels, gold=gold, predicted=nothing)
    assert everything.n_errors == len(everything.errors) == cut.n_errors
    assert everything.errors[:3] == cut.errors

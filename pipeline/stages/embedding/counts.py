"""Occurrences of every distinct segment: counted by part into files, added up and numbered without Python objects."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa

from ssmi.pipeline.assets.encoders import EncoderFolder
from ssmi.pipeline.contract.encoders.vocabulary import encoder_vocabulary
from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.features.tokens import CharacterTokens
from ssmi.pipeline.features.vocabulary import Vocabulary
from ssmi.pipeline.lexicon.segmenter import frequent_words
from ssmi.pipeline.stages.stage import StageContext, part_sizes, parts_of

MOST_UNKNOWN, MOST_UNKNOWN_UNREPORTED = 0.5, 0.05
"""Shares of a data set's Chinese characters: with more unknown to it an encoder is refused, or this is reported."""
_COUNTS = pa.schema([("segment", pa.string()), ("n", pa.int64())])
_BY_SPLIT = [f"n_{split}" for split in tables.SPLITS]


@dataclass(frozen=True)
class _CountTask:
    segments: Path
    target: Path


def distinct_segments(context: StageContext, vocabulary: Vocabulary) -> pl.DataFrame:
    """One row a distinct segment, the most frequent first, as ``schema.DISTINCT_SEGMENTS`` has them."""
    parts = parts_of(context.folder("segment"))
    tasks = [
        _CountTask(path, tables.part_path(context.scratch() / "counts", split, number)) for split, number, path in parts
    ]
    for _ in context.map_tasks(count_part, tasks, sizes=part_sizes(parts), label="count segments"):
        pass
    counted = pl.concat(
        pl.scan_parquet(task.target).with_columns(split=pl.lit(split))
        for (split, _, _), task in zip(parts, tasks, strict=True)
    )
    by_split = [pl.col("n").filter(split=split).sum().alias(f"n_{split}") for split in tables.SPLITS]
    distinct = (
        counted.group_by("segment")
        .agg(*by_split, pl.col("n").sum())
        # Ties by text: the order of a grouping follows chance.
        .sort("n", "segment", descending=[True, False])
        .collect(engine="streaming")
    )
    if context.corpus is not None:  # no segment of it stands in a split of labels
        distinct = distinct.with_columns(pl.lit(None, dtype=pl.Int64).alias(name) for name in _BY_SPLIT)
    return _numbered(distinct, boundary_ids=[vocabulary.get(word, 0) for word in distinct["segment"]])


def count_part(task: _CountTask) -> None:
    """Write how often each segment occurs in one part."""
    column = tables.read_table(task.segments, schema.SEGMENTS, columns=["segments"])["segments"]
    values, counts = column.combine_chunks().flatten().value_counts().flatten()
    tables.write_table(task.target, _COUNTS, pa.table([values, counts], schema=_COUNTS))


def _numbered(counts: pl.DataFrame, *, boundary_ids: Sequence[int], first: int = 0) -> pl.DataFrame:
    """Counts with ids from ``first`` on, and the columns in the contract's order."""
    return counts.with_columns(
        segment_id=pl.int_range(first, first + len(counts), dtype=pl.Int32),
        boundary_id=pl.Series(boundary_ids, dtype=pl.Int32),
    ).select(schema.DISTINCT_SEGMENTS.names)


def precomputed_segments(n: int, vocabulary: Vocabulary, *, in_dataset: pl.DataFrame) -> pl.DataFrame:
    """Rows, after those of the data set, of frequent words that do not occur in it."""
    words = frequent_words(sys.maxsize, unless=vocabulary.__contains__) if n else []
    listed = pl.DataFrame({"segment": words}, schema={"segment": pl.String})
    chosen = listed.join(in_dataset, on="segment", how="anti", maintain_order="left").head(n)
    none = chosen.with_columns(pl.lit(0, dtype=pl.Int64).alias(name) for name in _BY_SPLIT)
    return _numbered(none, boundary_ids=[0] * len(none), first=len(in_dataset))


def check_characters(distinct: pl.DataFrame, encoder: EncoderFolder, context: StageContext) -> None:
    """Refuse an encoder to which most Chinese characters of the data set are unknown; report one that lacks many.

    Of a corpus, which has no counts, every distinct segment counts once. Raises InputDataError.
    """
    occurrences = pl.when(pl.col("n_train").is_null()).then(1).otherwise(pl.sum_horizontal(_BY_SPLIT))
    counted = (
        distinct.lazy()
        .select(character=pl.col("segment").str.extract_all("[\u4e00-\u9fff]"), n=occurrences)
        .explode("character", empty_as_null=False)
        .group_by("character")
        .agg(pl.col("n").sum())
        .sort("n", "character", descending=[True, False])
        .collect(engine="streaming")
    )
    tokens = CharacterTokens(encoder_vocabulary(encoder.path))
    unknown = [(character, n) for character, n in counted.iter_rows() if not tokens.knows(character)]
    share = sum(n for _, n in unknown) / max(1, counted["n"].sum())
    if share <= MOST_UNKNOWN_UNREPORTED:
        return
    examples = "".join(character for character, _ in unknown[:10])
    message = (
        f"{encoder.name}: {share:.0%} of the Chinese characters of {context.dataset} are unknown to it"
        f" ({examples} first)"
    )
    if share > MOST_UNKNOWN:
        raise InputDataError(message, next_step="name an encoder for Chinese with encoder.name")
    context.reporter.note(f"{message}; ssmi-cli data check lists them")

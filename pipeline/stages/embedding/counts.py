"""Occurrences of every distinct segment: counted by part, summed and numbered, in files throughout."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ssmi.pipeline.assets.encoders import EncoderFolder
from ssmi.pipeline.columns.lists import text_of, whole
from ssmi.pipeline.columns.sorting import Order, in_groups, sorted_tables, summed
from ssmi.pipeline.contract.encoders.vocabulary import encoder_vocabulary
from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.features.columns import Ints, SentenceColumns
from ssmi.pipeline.features.text.tokens import CharacterTokens
from ssmi.pipeline.features.vocabulary import Vocabulary
from ssmi.pipeline.lexicon.segmenter import frequent_words
from ssmi.pipeline.stages.running.encoding import WORDS
from ssmi.pipeline.stages.running.stage import StageContext, part_sizes, parts_of

MAX_UNKNOWN, MAX_UNKNOWN_UNREPORTED = 0.5, 0.05
"""Shares of a data set's Chinese characters: an encoder that lacks more than the first is refused, and one that lacks
more than the second is reported."""
_COUNTS = pa.schema([("segment", pa.string()), ("n", pa.int64())])
_BY_SPLIT = tuple(f"n_{split}" for split in tables.SPLITS)
_DISTINCT = pa.schema([*_COUNTS, *((name, pa.int64()) for name in _BY_SPLIT)])
_FIRST_CHINESE, _LAST_CHINESE = 0x4E00, 0x9FFF


@dataclass(frozen=True)
class _CountTask:
    segments: Path
    target: Path


@dataclass(frozen=True)
class DistinctSegments:
    """The file of all distinct segments, and their numbers.

    Attributes:
        path: File of a table of ``schema.DISTINCT_SEGMENTS``.
        n: Number of segments.
        n_precomputed: Number of words at the table's end that do not occur in the data set.
        n_outside: Number of the other segments that the vocabulary does not have.

    """

    path: Path
    n: int
    n_precomputed: int
    n_outside: int

    def read(self, *columns: str) -> Iterator[pa.Table]:
        """Yield these columns of the table, some rows at a time."""
        return tables.read_tables(self.path, schema.DISTINCT_SEGMENTS, columns=columns)

    def outside(self) -> Iterator[pa.Table]:
        """Yield the segments outside the vocabulary as tables of ``WORDS``, whose rows are the segments' ids."""
        for table in self.read("segment", "segment_id", "boundary_id"):
            yield table.filter(pc.field("boundary_id") == 0).select(["segment", "segment_id"]).rename_columns(
                WORDS.names
            ).cast(WORDS)  # fmt: skip


def distinct_segments(
    context: StageContext, vocabulary: Vocabulary, path: Path, *, n_precomputed: int = 0
) -> DistinctSegments:
    """Write one row per distinct segment, the most frequent first, and then frequent words that do not occur.

    Args:
        context: Context of the data set or corpus whose segments are written.
        vocabulary: Gives the boundary ids of segments.
        path: File to write, a table of ``schema.DISTINCT_SEGMENTS``.
        n_precomputed: Number of the most frequent words to add.

    Returns:
        The file and its numbers of segments.
    """
    counts = context.scratch() / "counts"
    counts.mkdir(parents=True, exist_ok=True)
    by_text = sorted_tables(_counted(context, counts), _DISTINCT, order=[("segment", "ascending")], folder=counts)
    # Ties are broken by text, so that the order depends on nothing else.
    order: Order = [("n", "descending"), ("segment", "ascending")]
    distinct = sorted_tables(summed(by_text, _DISTINCT, key="segment"), _DISTINCT, order=order, folder=counts)
    if context.corpus is not None:  # a corpus has no labelled splits
        distinct = map(_without_splits, distinct)
    precomputed = _PrecomputedWords(n_precomputed, vocabulary)
    numbering = _Numbering(vocabulary)
    numbered = map(
        numbering.number,
        in_groups(
            chain(precomputed.removing_seen(distinct), precomputed.remaining()), _DISTINCT, rows=tables.ROWS_PER_GROUP
        ),
    )
    tables.write_tables(path, schema.DISTINCT_SEGMENTS, numbered)
    return DistinctSegments(path, numbering.n, precomputed.n_remaining, numbering.n_outside - precomputed.n_remaining)


def _counted(context: StageContext, folder: Path) -> Iterator[pa.Table]:
    """Yield the counts of each part."""
    parts = parts_of(context.folder("segment"))
    tasks = [_CountTask(path, tables.part_path(folder, split, number)) for split, number, path in parts]
    done = context.map_tasks(count_part, tasks, sizes=part_sizes(parts), label="count segments")
    for (split, _, _), task, _ in zip(parts, tasks, done, strict=True):
        counts = tables.read_table(task.target, _COUNTS)
        none = pa.array(np.zeros(len(counts), dtype=np.int64))
        of_splits = [counts["n"] if name == f"n_{split}" else none for name in _BY_SPLIT]
        yield pa.table([*counts.columns, *of_splits], schema=_DISTINCT)


def count_part(task: _CountTask) -> None:
    """Write how often each segment occurs in one part."""
    column = tables.read_table(task.segments, schema.SEGMENTS, columns=["segments"])["segments"]
    values, counts = column.combine_chunks().flatten().value_counts().flatten()
    tables.write_table(task.target, _COUNTS, pa.table([values, counts], schema=_COUNTS))


def _without_splits(table: pa.Table) -> pa.Table:
    nothing = [pa.nulls(len(table), pa.int64())] * len(_BY_SPLIT)
    return pa.table([table["segment"], table["n"], *nothing], schema=_DISTINCT)


class _Numbering:
    """Numbers rows in their order, and adds their boundary ids from the vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self.n = self.n_outside = 0

    def number(self, counts: pa.Table) -> pa.Table:
        ids = np.arange(self.n, self.n + len(counts), dtype=np.int32)
        boundary_ids = np.array([self._vocabulary.id_of(word) for word in counts["segment"].to_pylist()], np.int32)
        self.n += len(counts)
        self.n_outside += int(np.count_nonzero(boundary_ids == 0))
        columns = {"segment_id": pa.array(ids), "boundary_id": pa.array(boundary_ids)}
        names = schema.DISTINCT_SEGMENTS.names
        every = [columns[name] if name in columns else counts[name] for name in names]
        return pa.table(every, schema=schema.DISTINCT_SEGMENTS)


class _PrecomputedWords:
    """The most frequent words that neither the vocabulary nor the data set has."""

    def __init__(self, n: int, vocabulary: Vocabulary) -> None:
        # Only dictionary words are kept in memory, however many segments pass.
        listed = frequent_words(sys.maxsize, exclude=vocabulary.__contains__) if n else []
        self._n = n
        self._words = dict.fromkeys(listed)
        self.n_remaining = 0

    def removing_seen(self, distinct: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Pass the tables through, and remove their segments from the words."""
        for table in distinct:
            if self._words:
                for segment in table["segment"].to_pylist():
                    self._words.pop(segment, None)
            yield table

    def remaining(self) -> Iterator[pa.Table]:
        """Yield the words that remain after all segments have passed, the most frequent first, with counts of zero."""
        words = list(self._words)[: self._n]
        self.n_remaining = len(words)
        nothing = pa.array(np.zeros(len(words), dtype=np.int64))
        yield pa.table([pa.array(words, pa.string()), *[nothing] * (len(_DISTINCT) - 1)], schema=_DISTINCT)


def check_characters(distinct: DistinctSegments, encoder: EncoderFolder, context: StageContext) -> None:
    """Refuse an encoder that lacks most Chinese characters of the data set; report an encoder that lacks many.

    In a corpus, which has no counts by split, every distinct segment counts once.

    Raises:
        InputDataError: The encoder lacks a share of more than ``MAX_UNKNOWN`` of the characters.
    """
    counts = _characters(distinct)
    codes = np.flatnonzero(counts)
    codes = codes[np.argsort(-counts[codes], kind="stable")]  # ties: the lower code point first
    tokens = CharacterTokens(encoder_vocabulary(encoder.path))
    unknown = [code for code in codes.tolist() if not tokens.knows(chr(code))]
    share = int(counts[unknown].sum()) / max(1, int(counts.sum()))
    if share <= MAX_UNKNOWN_UNREPORTED:
        return
    examples = "".join(map(chr, unknown[:10]))
    message = (
        f"{encoder.name}: {share:.0%} of the Chinese characters of {context.dataset} are unknown to it"
        f" ({examples} first)"
    )
    if share > MAX_UNKNOWN:
        raise InputDataError(message, next_step="name an encoder for Chinese with encoder.name")
    context.reporter.note(f"{message}; ssmi-cli data check lists them")


def _characters(distinct: DistinctSegments) -> Ints:
    """Count the occurrences of each Chinese character, indexed by code point."""
    counts = np.zeros(_LAST_CHINESE + 1, dtype=np.int64)
    for table in distinct.read("segment", *_BY_SPLIT):
        segments = whole(table, "segment")
        codes = SentenceColumns(text_of(segments), np.zeros(1, dtype=np.int64)).codes
        occurrences = sum(pc.fill_null(table[name], 0).to_numpy() for name in _BY_SPLIT)
        if table[_BY_SPLIT[0]].null_count:
            occurrences = np.ones(len(table), dtype=np.int64)
        of_each = np.repeat(occurrences, pc.utf8_length(segments).to_numpy())
        chinese = (codes >= _FIRST_CHINESE) & (codes <= _LAST_CHINESE)
        np.add.at(counts, codes[chinese], of_each[chinese])
    return counts

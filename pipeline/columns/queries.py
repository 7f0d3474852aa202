"""The selection queries of many characters as columns: the distinct queries in order, and the query of each character.

They are files in the stage's scratch folder. ``part-N.arrow`` holds the distinct queries of a part, sorted, and
``part-N.npy`` the index there of each character's query. The queries of all parts are merged by ranges of characters,
so that no process holds the queries of the whole data set: ``range-N.arrow`` holds the distinct queries of a range, and
``range-N.npy`` the index there of every query of every part. The id of a query is its index in all ranges together,
which is in the order (character, segment, candidates).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ssmi.pipeline.columns.array_files import save_array
from ssmi.pipeline.columns.lists import whole
from ssmi.pipeline.contract.offsets import offsets_of
from ssmi.pipeline.contract.storage import replacing
from ssmi.pipeline.features.columns import Ints, MatchColumns, SentenceColumns, is_run_start
from ssmi.pipeline.features.pmi import events_over

SCHEMA = pa.schema([("code", pa.int64()), ("segment", pa.string()), ("candidates", pa.binary())])
"""The character's code point, the segment around it, and the candidates: in sentence scope their ids as big-endian
numbers of four bytes, which sort as the ids do; null in vocabulary scope."""
ROWS_PER_RANGE = 1 << 18
"""Target number of the parts' distinct queries per range; the last character of a range may exceed it."""
_CODE_POINTS = 0x110000


def distinct_queries(
    sentences: SentenceColumns, segments: pa.StringArray, matches: MatchColumns | None
) -> tuple[pa.Table, Ints]:
    """The distinct queries of a part.

    Args:
        sentences: The sentences of the part.
        segments: The segments of all sentences in order; they tile the sentences.
        matches: The vocabulary words inside the sentences, which are the candidates in sentence scope; None in
            vocabulary scope.

    Returns:
        The distinct queries, sorted, in the form of ``SCHEMA``, and the index among them of each character's query.
    """
    ranks, names = _ranked(segments)
    around = np.repeat(ranks, pc.utf8_length(segments).to_numpy())
    if matches is None:
        return _distinct(sentences.codes, around, names, *_no_candidates(len(around)))
    return _distinct(sentences.codes, around, names, *_ranked(_candidates(matches, n_characters=len(around))))


def _candidates(matches: MatchColumns, *, n_characters: int) -> pa.BinaryArray:
    """Return the ids of the boundaries over each character, in the form of ``SCHEMA``."""
    positions, ids = events_over(matches)
    # Cast by Arrow, which refuses offsets that are too large, as for a part of millions of sentences.
    ends = pa.array(4 * offsets_of(np.bincount(positions, minlength=n_characters))).cast(pa.int32())
    buffers = [None, ends.buffers()[1], pa.py_buffer(ids.astype(">u4"))]
    return pa.Array.from_buffers(pa.binary(), n_characters, buffers)


def candidate_ids(candidates: pa.BinaryArray) -> tuple[Ints, npt.NDArray[np.int32]]:
    """Return the start of each query's candidates and the end of the last, and the ids of all candidates."""
    _, ends, data = candidates.buffers()
    offsets = np.frombuffer(ends, dtype=np.int32)[candidates.offset : candidates.offset + len(candidates) + 1] // 4
    ids = np.frombuffer(data or b"", dtype=">u4")[offsets[0] : offsets[-1]]
    return (offsets - offsets[0]).astype(np.int64), ids.astype(np.int32)


def _no_candidates(n: int) -> tuple[Ints, pa.Array]:
    return np.zeros(n, dtype=np.int64), pa.nulls(1, pa.binary())


def _ranked(values: pa.Array) -> tuple[Ints, pa.Array]:
    """Return the index of each value among the distinct values, and the distinct values sorted by their bytes."""
    if values.null_count:
        return _no_candidates(len(values))
    coded = values.dictionary_encode()
    order = pc.sort_indices(coded.dictionary)
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order.to_numpy()] = np.arange(len(order))
    return ranks[coded.indices.to_numpy()], coded.dictionary.take(order)


def _distinct(
    codes: Ints, segment_ranks: Ints, segments: pa.Array, candidate_ranks: Ints, candidates: pa.Array
) -> tuple[pa.Table, Ints]:
    """Return the distinct rows, sorted, and the index of each given row among them."""
    keys, indices = np.unique((codes << 32) | segment_ranks, return_inverse=True)
    rows, indices = np.unique((indices << 32) | candidate_ranks, return_inverse=True)
    keys = keys[rows >> 32]
    columns = [
        pa.array(keys >> 32),
        segments.take(pa.array(keys & 0xFFFFFFFF)),
        candidates.take(pa.array(rows & 0xFFFFFFFF)),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA), indices


@dataclass(frozen=True, slots=True)
class QueryFiles:
    """The files of the queries of ``n_parts`` parts, which are numbered from 0."""

    folder: Path
    n_parts: int

    def save_part(self, part: int, queries: pa.Table, indices: Ints) -> None:
        """Save what ``distinct_queries`` returned for a part."""
        _save(self.part_stem(part), queries, indices)

    def ranges(self, *, rows_per_range: int = ROWS_PER_RANGE) -> list[tuple[int, int]]:
        """Divide the characters into ranges, each a half-open interval of code points."""
        rows = np.zeros(_CODE_POINTS, dtype=np.int64)
        for part in range(self.n_parts):
            codes = _codes(_open(self.part_stem(part)))
            first = np.flatnonzero(is_run_start(codes))
            rows[codes[first]] += np.diff(first, append=len(codes))
        asked = np.flatnonzero(rows)
        before = np.cumsum(rows[asked]) - rows[asked]
        return list(pairwise([*asked[is_run_start(before // rows_per_range)].tolist(), _CODE_POINTS]))

    def merge(self, index: int, *, codes: tuple[int, int]) -> int:
        """Merge a range of all parts and save it; return the number of its distinct queries."""
        slices = [_between(_open(self.part_stem(part)), codes) for part in range(self.n_parts)]
        merged = pa.concat_tables([SCHEMA.empty_table(), *slices]).combine_chunks()
        segments, candidates = (_ranked(whole(merged, name)) for name in ("segment", "candidates"))
        queries, indices = _distinct(_codes(merged), *segments, *candidates)
        _save(self.range_stem(index), queries, indices)
        save_array(self._starts(index), offsets_of([len(one) for one in slices]))
        return len(queries)

    def save_first_ids(self, n_queries: Sequence[int]) -> int:
        """Save the first id of each range, given its number of queries; return the total number of queries."""
        first = offsets_of(n_queries)
        save_array(self.folder / "first-ids.npy", first)
        return int(first[-1])

    def query_ids_of_part(self, part: int) -> Ints:
        """Return the id of the query of each character of a part."""
        pieces = [np.zeros(0, dtype=np.int64)]
        for index, first in enumerate(self._first_ids()[:-1].tolist()):
            start, end = np.load(self._starts(index), mmap_mode="r")[part : part + 2].tolist()
            pieces.append(first + _load(self.range_stem(index))[start:end])
        ids: Ints = np.concatenate(pieces)[_load(self.part_stem(part))]
        return ids

    def queries_between(self, start: int, end: int) -> pa.Table:
        """Return the queries with ids in ``[start, end)``, in the form of ``SCHEMA``."""
        firsts = self._first_ids().tolist()
        pieces = [
            _open(self.range_stem(index)).slice(max(start - first, 0), min(end, last) - max(start, first))
            for index, (first, last) in enumerate(pairwise(firsts))
            if first < end and start < last
        ]
        return pa.concat_tables([SCHEMA.empty_table(), *pieces]).combine_chunks()

    def _first_ids(self) -> Ints:
        first: Ints = np.load(self.folder / "first-ids.npy", allow_pickle=False)
        return first

    def part_stem(self, part: int) -> Path:
        """Path of the files of a part, without suffix."""
        return self.folder / f"part-{part}"

    def range_stem(self, index: int) -> Path:
        """Path of the files of a range, without suffix."""
        return self.folder / f"range-{index}"

    def _starts(self, index: int) -> Path:
        return self.folder / f"range-{index}.starts.npy"


def _save(stem: Path, queries: pa.Table, indices: Ints) -> None:
    with (
        replacing.writing(stem.with_suffix(".arrow")) as temporary,
        pa.OSFile(str(temporary), "wb") as stream,
        # Not compressed, so that the file can be mapped and searched without reading all of it.
        pa.ipc.new_file(stream, SCHEMA) as writer,
    ):
        writer.write_table(queries)
    save_array(stem.with_suffix(".npy"), indices.astype(np.int32))


def _load(stem: Path) -> npt.NDArray[np.int32]:
    array: npt.NDArray[np.int32] = np.load(stem.with_suffix(".npy"), mmap_mode="r", allow_pickle=False)
    return array


def _open(stem: Path) -> pa.Table:
    with pa.memory_map(str(stem.with_suffix(".arrow"))) as source:
        return pa.ipc.open_file(source).read_all()


def _codes(table: pa.Table) -> Ints:
    codes: Ints = whole(table, "code").to_numpy()
    return codes


def _between(queries: pa.Table, codes: tuple[int, int]) -> pa.Table:
    start, end = np.searchsorted(_codes(queries), codes).tolist()
    # A copy: a slice would keep the mapped file in memory, and a range takes a slice of every part.
    return queries.take(pa.array(np.arange(start, end)))

"""Distinct queries and their numbers, compared with a sorted set of Python tuples."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssmi.pipeline.columns.lists import whole
from ssmi.pipeline.columns.queries import QueryFiles, candidate_ids, distinct_queries
from ssmi.pipeline.features.columns import SentenceColumns
from ssmi.pipeline.features.trie import Trie

WORDS = ["中国", "国人", "中国人", "人人", "a中", "😀", "国😀", *(f"{chr(0x4E00 + n)}人" for n in range(300))]
"""Enough words that ids need more than one byte; ids must still sort numerically."""
SEGMENT = st.text("中国人a😀\u4e05", min_size=1, max_size=3)
SENTENCES = st.lists(st.lists(SEGMENT, max_size=4), max_size=4)
Query = tuple[str, str, tuple[int, ...] | None]


def _expected_queries(sentences: list[list[str]], trie: Trie | None) -> list[Query]:
    """The query of each character."""
    queries: list[Query] = []
    for segments in sentences:
        text = "".join(segments)
        segment_of_each = [segment for segment in segments for _ in segment]
        matches = trie.matches(text) if trie else []
        for place, (character, segment) in enumerate(zip(text, segment_of_each, strict=True)):
            covering = {boundary for start, end, boundary in matches if start <= place < end}
            queries.append((character, segment, tuple(sorted(covering)) if trie else None))
    return queries


def _collect(sentences: list[list[str]], trie: Trie | None) -> tuple[pa.Table, Any]:
    columns = SentenceColumns.of("".join(segments) for segments in sentences)
    segments = pa.array([segment for one in sentences for segment in one], pa.string())
    return distinct_queries(columns, segments, trie.columns(columns) if trie else None)


def _rows(queries: pa.Table) -> list[Query]:
    packed = whole(queries, "candidates")
    candidates: list[tuple[int, ...] | None] = [None] * len(queries)
    if not packed.null_count:
        offsets, ids = candidate_ids(packed)
        candidates = [tuple(ids[start:end].tolist()) for start, end in pairwise(offsets.tolist())]
    characters = map(chr, whole(queries, "code").to_pylist())
    return list(zip(characters, whole(queries, "segment").to_pylist(), candidates, strict=True))


def _sorted(queries: set[Query]) -> list[Query]:
    return sorted(queries, key=lambda query: (query[0], query[1], query[2] or ()))


@pytest.fixture(scope="module", params=["vocabulary", "sentence"])
def trie(request: pytest.FixtureRequest) -> Trie | None:
    return Trie.build(WORDS) if request.param == "sentence" else None


@given(sentences=SENTENCES)
def test_the_queries_of_a_part_are_distinct_sorted_and_numbered(trie: Trie | None, sentences: list[list[str]]) -> None:
    queries, places = _collect(sentences, trie)
    expected = _expected_queries(sentences, trie)
    rows = _rows(queries)
    assert rows == _sorted(set(expected))
    assert [rows[place] for place in places.tolist()] == expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=40)
@given(parts=st.lists(SENTENCES, min_size=1, max_size=4), rows_per_range=st.integers(1, 12), data=st.data())
def test_ids_are_positions_among_all_queries_for_any_ranges(
    tmp_path_factory: Any, trie: Trie | None, parts: list[Any], rows_per_range: int, data: st.DataObject
) -> None:
    folder: Path = tmp_path_factory.mktemp("queries")
    files = QueryFiles(folder, n_parts=len(parts))
    for number, sentences in enumerate(parts):
        files.save_part(number, *_collect(sentences, trie))
    ranges = files.ranges(rows_per_range=rows_per_range)
    n_queries = files.save_first_ids([files.merge(index, codes=codes) for index, codes in enumerate(ranges)])
    expected = [_expected_queries(sentences, trie) for sentences in parts]
    all_queries = _sorted({query for part_queries in expected for query in part_queries})
    assert n_queries == len(all_queries)
    for number, part_queries in enumerate(expected):
        assert [all_queries[index] for index in files.query_ids_of_part(number).tolist()] == part_queries
    start = data.draw(st.integers(0, n_queries))
    end = data.draw(st.integers(start, n_queries))
    assert _rows(files.queries_between(start, end)) == all_queries[start:end]


def test_ranges_have_the_requested_size_and_whole_characters(tmp_path: Path) -> None:
    files = QueryFiles(tmp_path, n_parts=1)
    files.save_part(0, *_collect([["a", "中", "中国", "国", "中人", "人"]], None))  # a, 中 中 中, 国 国, 人 人
    assert [(chr(start), end) for start, end in files.ranges(rows_per_range=2)] == [
        ("a", ord("人")),  # also holds 中
        ("人", ord("国")),
        ("国", 0x110000),
    ]
    assert files.ranges(rows_per_range=100) == [(ord("a"), 0x110000)]


def test_queries_of_a_part_take_four_bytes_per_character(tmp_path: Path) -> None:
    """A part is kept as columns, with four bytes per character for the index of its query."""
    files = QueryFiles(tmp_path, n_parts=1)
    files.save_part(0, *_collect([["中国", "人"] * 500], None))
    assert np.load(tmp_path / "part-0.npy").dtype == np.int32
    assert (tmp_path / "part-0.npy").stat().st_size < 4 * 1500 + 200


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads the memory maps that Linux lists")
def test_a_merge_keeps_no_part_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeping all parts mapped would take memory that grows with the corpus."""
    files = QueryFiles(tmp_path, n_parts=3)
    for number, segment in enumerate(["中国", "中人", "国人"]):
        files.save_part(number, *_collect([[segment]], None))
    mapped: list[int] = []
    sort_indices = pc.sort_indices

    def count_maps(values: pa.Array) -> pa.Array:
        mapped.append(Path("/proc/self/maps").read_text(encoding="utf-8").count(f"{tmp_path}/part-"))
        return sort_indices(values)

    monkeypatch.setattr(pc, "sort_indices", count_maps)
    assert files.merge(0, codes=(0, 0x110000)) == 6
    assert mapped == [0]

"""Names found in a file by binary search, compared with a dict."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssmi.pipeline.columns import names as module
from ssmi.pipeline.columns.names import SCHEMA, SortedNames, write_names

NAME = st.text("a国京é😀", max_size=3)


def _open(path: Path, numbers: dict[str, int]) -> SortedNames:
    rows = [{"name": name, "number": number} for name, number in numbers.items()]
    write_names([pa.Table.from_pylist(rows[:2], schema=SCHEMA), pa.Table.from_pylist(rows[2:], schema=SCHEMA)], path)
    return SortedNames(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(numbers=st.dictionaries(NAME, st.integers(0, 1 << 40), max_size=20), others=st.lists(NAME))
def test_only_stored_names_are_found_with_their_place_and_number(
    tmp_path: Path, numbers: dict[str, int], others: list[str]
) -> None:
    names = _open(tmp_path / "names.arrow", numbers)
    ascending = sorted(numbers)
    assert len(names) == len(numbers)
    assert [number for batch in names.numbers() for number in batch.tolist()] == [numbers[name] for name in ascending]
    requested = [*numbers, *others]
    places, found = names.find(pa.array(requested, pa.string()))
    assert places.tolist() == [ascending.index(name) if name in numbers else -1 for name in requested]
    assert found.tolist() == [numbers.get(name, -1) for name in requested]


def test_names_at_the_edges_of_blocks_are_found(tmp_path: Path) -> None:
    n = 2 * module.NAMES_PER_BLOCK + 5
    names = _open(tmp_path / "names.arrow", {f"{2 * index:05d}": 3 * index for index in range(n)})
    places, numbers = names.find(pa.array([f"{index:05d}" for index in range(2 * n + 1)]))
    assert places[::2].tolist() == [*range(n), -1] and not (places[1::2] + 1).any()
    assert numbers[::2].tolist() == [*range(0, 3 * n, 3), -1] and not (numbers[1::2] + 1).any()


def test_equal_names_give_equal_bytes_in_any_order(tmp_path: Path) -> None:
    numbers = {"国": 1, "a": 2, "😀": 3}
    for path, order in (("one", numbers), ("other", dict(reversed(numbers.items())))):
        _open(tmp_path / path, order)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()

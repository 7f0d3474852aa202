"""A part's mark: written last, and valid only for the same task and while the part's files are unchanged."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import pytest

from ssmi.pipeline.contract.errors import SsmiError
from ssmi.pipeline.parts.mark import (
    Mark,
    Part,
    finished,
    kept_result,
    mark_body,
    parse_mark,
    read_mark,
    result_of,
    run_part,
)


@dataclass(frozen=True)
class Copy:
    source: Path
    read: Path
    target: Path
    times: int


class Pair(NamedTuple):
    n: int
    name: str


@dataclass(frozen=True)
class Summary:
    n_bytes: int
    pairs: tuple[Pair, ...]
    places: set[int]
    target: Path
    note: str | None


def copy(task: Copy) -> Summary:
    """Write the texts several times, another file with the part's stem, and a file of another part."""
    text = task.source.read_text(encoding="utf-8") + task.read.read_text(encoding="utf-8")
    task.target.parent.mkdir(parents=True, exist_ok=True)
    task.target.write_text(text * task.times, encoding="utf-8")
    task.target.with_suffix(".states.npy").write_bytes(b"12")
    task.target.with_name("neighbour.txt").write_text("of another part", encoding="utf-8")
    return Summary(len(text), (Pair(1, "一"),), {3, 2}, task.target, None)


def copy_badly(task: Copy) -> int:
    return "not a number"  # type: ignore[return-value]


def copy_into_keys(task: Copy) -> dict[tuple[str, int], int]:
    return {("一", 1): 1}


def count_up(task: Copy) -> list[int]:
    return list(range(30_000))


@pytest.fixture
def part(tmp_path: Path) -> Part[Copy, Summary]:
    (tmp_path / "source.txt").write_text("北京", encoding="utf-8")
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "read.txt").write_text("大学", encoding="utf-8")
    task = Copy(tmp_path / "source.txt", folder / "read.txt", folder / "out" / "part-0.txt", 2)
    return Part(copy, task, folder, folder / "marks" / "0.json")


def test_a_result_comes_back_as_the_type_that_the_function_names(part: Part[Copy, Summary]) -> None:
    expected = Summary(4, (Pair(1, "一"),), {2, 3}, part.task.target, None)
    assert finished(part) is None
    text = run_part(part)
    assert text is not None and result_of(part, text) == expected == result_of(part, kept_result(part))
    kept = finished(part)
    assert kept is not None and result_of(part, kept) == expected


def test_a_result_too_large_to_travel_lies_in_the_mark(part: Part[Copy, Summary]) -> None:
    large = Part(count_up, part.task, part.folder, part.mark)
    assert run_part(large) is None
    assert result_of(large, kept_result(large)) == list(range(30_000)) == result_of(large, finished(large) or "")
    part.mark.unlink()
    with pytest.raises(SsmiError, match=r"0\.json: no longer exists"):
        kept_result(large)


def test_a_mark_names_the_files_that_the_part_wrote_and_no_other(part: Part[Copy, Summary]) -> None:
    run_part(part)
    mark = read_mark(part.mark)
    assert mark is not None and set(mark.files) == {"out/part-0.txt", "out/part-0.states.npy"}
    assert not list(part.folder.rglob("*.tmp"))


def _lose(part: Part[Copy, Summary]) -> None:
    part.task.target.unlink()


def _change_of_the_same_size(part: Part[Copy, Summary]) -> None:
    part.task.target.with_suffix(".states.npy").write_bytes(b"21")


def _half_a_mark(part: Part[Copy, Summary]) -> None:
    part.mark.write_text(part.mark.read_text(encoding="utf-8")[:-9], encoding="utf-8")


def _mark_of_another_kind(part: Part[Copy, Summary]) -> None:
    part.mark.write_text(json.dumps([1]), encoding="utf-8")


def _another_result(part: Part[Copy, Summary]) -> None:
    text = part.mark.read_text(encoding="utf-8")
    part.mark.write_text(text.replace('"n_bytes": 4', '"n_bytes": 5'), encoding="utf-8")
    assert part.mark.read_text(encoding="utf-8") != text


def _a_deep_mark(part: Part[Copy, Summary]) -> None:
    part.mark.write_text("[" * 9000, encoding="utf-8")


@pytest.mark.parametrize(
    "damage",
    [_lose, _change_of_the_same_size, _half_a_mark, _mark_of_another_kind, _another_result, _a_deep_mark],
)
def test_a_damaged_part_is_not_finished(
    part: Part[Copy, Summary], damage: Callable[[Part[Copy, Summary]], None]
) -> None:
    text = run_part(part)
    assert finished(part) == text
    damage(part)
    assert finished(part) is None
    assert run_part(part) == text == finished(part)


def test_a_part_of_other_work_is_not_finished(part: Part[Copy, Summary]) -> None:
    run_part(part)
    assert finished(replace(part, task=replace(part.task, times=3))) is None


@pytest.mark.parametrize("function", [copy_badly, copy_into_keys])
def test_a_result_that_cannot_be_read_again_leaves_no_mark(
    part: Part[Copy, Summary], function: Callable[[Copy], object]
) -> None:
    with pytest.raises(ValueError, match=r"serializ|tuple"):
        run_part(Part(function, part.task, part.folder, part.mark))
    assert not part.mark.exists()


@pytest.mark.parametrize("name", ["../../elsewhere.txt", "/etc/elsewhere", "output/../../x"])
def test_a_mark_of_files_elsewhere_is_none(name: str) -> None:
    mark = Mark("task", {name: "0" * 64}, None)
    assert parse_mark(mark_body(mark)) is None
    inside = Mark("task", {"output/a.txt": "0" * 64}, None)
    assert parse_mark(mark_body(inside)) == inside

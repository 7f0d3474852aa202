"""The mark of a part is written last, and valid only for the same task and while the part's files are unchanged."""

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


def return_wrong_type(task: Copy) -> int:
    return "not a number"  # type: ignore[return-value]


def return_tuple_keys(task: Copy) -> dict[tuple[str, int], int]:
    return {("一", 1): 1}


def return_large_result(task: Copy) -> list[int]:
    return list(range(30_000))


@pytest.fixture
def part(tmp_path: Path) -> Part[Copy, Summary]:
    (tmp_path / "source.txt").write_text("北京", encoding="utf-8")
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "read.txt").write_text("大学", encoding="utf-8")
    task = Copy(tmp_path / "source.txt", folder / "read.txt", folder / "out" / "part-0.txt", 2)
    return Part(copy, task, folder, folder / "marks" / "0.json")


def test_results_have_the_annotated_return_type(part: Part[Copy, Summary]) -> None:
    expected = Summary(4, (Pair(1, "一"),), {2, 3}, part.task.target, None)
    assert finished(part) is None
    text = run_part(part)
    assert text is not None and result_of(part, text) == expected == result_of(part, kept_result(part))
    stored = finished(part)
    assert stored is not None and result_of(part, stored) == expected


def test_a_large_result_is_read_from_the_mark(part: Part[Copy, Summary]) -> None:
    large = Part(return_large_result, part.task, part.folder, part.mark)
    assert run_part(large) is None
    assert result_of(large, kept_result(large)) == list(range(30_000)) == result_of(large, finished(large) or "")
    part.mark.unlink()
    with pytest.raises(SsmiError, match=r"0\.json: no longer exists"):
        kept_result(large)


def test_a_mark_lists_exactly_the_files_of_its_part(part: Part[Copy, Summary]) -> None:
    run_part(part)
    mark = read_mark(part.mark)
    assert mark is not None and set(mark.files) == {"out/part-0.txt", "out/part-0.states.npy"}
    assert not list(part.folder.rglob("*.tmp"))


def _remove_target(part: Part[Copy, Summary]) -> None:
    part.task.target.unlink()


def _change_bytes(part: Part[Copy, Summary]) -> None:
    part.task.target.with_suffix(".states.npy").write_bytes(b"21")


def _truncate_mark(part: Part[Copy, Summary]) -> None:
    part.mark.write_text(part.mark.read_text(encoding="utf-8")[:-9], encoding="utf-8")


def _replace_mark(part: Part[Copy, Summary]) -> None:
    part.mark.write_text(json.dumps([1]), encoding="utf-8")


def _change_result(part: Part[Copy, Summary]) -> None:
    text = part.mark.read_text(encoding="utf-8")
    part.mark.write_text(text.replace('"n_bytes": 4', '"n_bytes": 5'), encoding="utf-8")
    assert part.mark.read_text(encoding="utf-8") != text


def _nest_mark_deeply(part: Part[Copy, Summary]) -> None:
    part.mark.write_text("[" * 9000, encoding="utf-8")


@pytest.mark.parametrize(
    "damage",
    [_remove_target, _change_bytes, _truncate_mark, _replace_mark, _change_result, _nest_mark_deeply],
)
def test_a_damaged_part_is_not_finished(
    part: Part[Copy, Summary], damage: Callable[[Part[Copy, Summary]], None]
) -> None:
    text = run_part(part)
    assert finished(part) == text
    damage(part)
    assert finished(part) is None
    assert run_part(part) == text == finished(part)


def test_a_part_of_another_task_is_not_finished(part: Part[Copy, Summary]) -> None:
    run_part(part)
    assert finished(replace(part, task=replace(part.task, times=3))) is None


@pytest.mark.parametrize("function", [return_wrong_type, return_tuple_keys])
def test_an_unserialisable_result_leaves_no_mark(part: Part[Copy, Summary], function: Callable[[Copy], object]) -> None:
    with pytest.raises(ValueError, match=r"serializ|tuple"):
        run_part(Part(function, part.task, part.folder, part.mark))
    assert not part.mark.exists()


@pytest.mark.parametrize("name", ["../../elsewhere.txt", "/etc/elsewhere", "output/../../x"])
def test_a_mark_with_files_outside_its_folder_is_invalid(name: str) -> None:
    mark = Mark("task", {name: "0" * 64}, None)
    assert parse_mark(mark_body(mark)) is None
    valid = Mark("task", {"output/a.txt": "0" * 64}, None)
    assert parse_mark(mark_body(valid)) == valid

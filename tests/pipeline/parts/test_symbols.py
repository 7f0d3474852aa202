"""Tasks are independent of the project's location: their paths are replaced by symbolic ones, and back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from ssmi.pipeline.contract.parameters.params import SelectionParams
from ssmi.pipeline.parts.mark import Part, task_digest
from ssmi.pipeline.parts.symbols import below, paths_in, symbolic, with_paths


@dataclass(frozen=True)
class Files:
    folder: Path
    n: int


@dataclass(frozen=True)
class Task:
    part: Path
    files: Files
    more: tuple[Path, ...]
    none: Path | None
    params: SelectionParams
    codes: tuple[int, int] = (1, 2)


def _task(root: Path, encoder: Path) -> Task:
    unfinished, artifacts = root / ".ssmi" / "scratch" / "stages" / "embed+a" / "key", root / "artifacts"
    part = artifacts / "segment" / "a" / "train" / "part-00001.parquet"
    return Task(part, Files(unfinished / "scratch", 3), (encoder, unfinished), None, SelectionParams())


def _digest(root: Path, encoder: Path) -> str:
    unfinished = root / ".ssmi" / "scratch" / "stages" / "embed+a" / "key"
    return task_digest(Part(print, _task(root, encoder), unfinished, unfinished / "0.json", root / "artifacts"))


def test_paths_are_found_and_replaced_in_nested_fields() -> None:
    task = _task(Path("/p"), Path("/cache/e5"))
    assert paths_in(task) == [task.part, task.files.folder, *task.more]
    moved = with_paths(task, lambda path: Path("/q") / path.relative_to("/"))
    assert moved.files == Files(Path("/q") / task.files.folder.relative_to("/"), 3)
    assert moved.more[0] == Path("/q/cache/e5") and moved.none is None and moved.params is task.params
    assert with_paths(moved, lambda path: Path("/") / path.relative_to("/q")) == task


def test_task_digests_depend_on_the_work_but_not_the_machine() -> None:
    first = _digest(Path("/a/one"), Path("/a/one/.cache/e5"))
    assert first == _digest(Path("/data/two words"), Path("/elsewhere/e5"))
    assert first != _digest(Path("/a/one"), Path("/a/one/.cache/bge"))


@pytest.mark.parametrize(
    ("path", "expected", "symbol", "rest"),
    [
        ("/p/under-way/output/a.txt", "@unfinished/output/a.txt", "@unfinished", "output/a.txt"),
        ("/p/under-way", "@unfinished", "@unfinished", ""),
        ("/p/artifacts/vocab", "@artifacts/vocab", "@artifacts", "vocab"),
        ("/elsewhere/words.txt", "@inputs/words.txt", "@inputs", "words.txt"),
    ],
)
def test_symbolic_paths_and_their_relative_parts(path: str, expected: str, symbol: str, rest: str) -> None:
    found = symbolic(Path(path), unfinished=Path("/p/under-way"), artifacts=Path("/p/artifacts"))
    assert found == Path(expected)
    assert [below(found, one) for one in ("@unfinished", "@artifacts", "@inputs") if one == symbol] == [rest]
    assert all(below(found, one) is None for one in ("@unfinished", "@artifacts", "@inputs") if one != symbol)

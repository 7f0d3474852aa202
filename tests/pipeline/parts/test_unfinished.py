"""A stopped stage continues with its missing parts, and shares give the same output as a single process."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import ParameterError, SsmiError
from ssmi.pipeline.contract.manifest import StageReport
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.progress import Silent
from ssmi.pipeline.executor import Serial
from ssmi.pipeline.parts.share import Share
from ssmi.pipeline.stages.running.stage import Stage, StageContext
from ssmi.pipeline.stages.running.up_to_date import is_current, run, run_share

N_PARTS = 5


class Killed(BaseException):
    """Stands for a signal: no code of a stage handles it."""


@dataclass(frozen=True)
class Square:
    number: int
    target: Path
    log: Path
    fatal: Path
    """File that names the parts whose process is killed; deleted at the first kill."""


@dataclass(frozen=True)
class Sum:
    squares: Path
    target: Path
    log: Path
    fatal: Path
    number: int


def _visit(log: Path, fatal: Path, name: str) -> None:
    with log.open("a", encoding="utf-8") as stream:
        stream.write(f"{name}\n")
    if fatal.exists() and name in fatal.read_text(encoding="utf-8").split():
        fatal.unlink()
        raise Killed


def square(task: Square) -> int:
    task.target.parent.mkdir(parents=True, exist_ok=True)
    task.target.write_text(str(task.number**2), encoding="utf-8")
    _visit(task.log, task.fatal, f"square-{task.number}")
    return task.number**2


def add(task: Sum) -> None:
    total = sum(int(path.read_text(encoding="utf-8")) for path in task.squares.glob("square-*.txt"))
    _visit(task.log, task.fatal, f"add-{task.number}")
    task.target.write_text(f"{task.number}: {total}", encoding="utf-8")


def work(context: StageContext, folder: Path) -> StageReport:
    """Write squares to the scratch folder, then several files of their sum; each sum needs all squares."""
    log, fatal, scratch = context.root / "log", context.root / "fatal", context.scratch()
    squares = [Square(n, scratch / f"square-{n}.txt", log, fatal) for n in range(N_PARTS)]
    total = sum(context.map_tasks(square, squares, sizes=[1] * N_PARTS, label="square numbers", unit="numbers"))
    (folder / "total.txt").write_text(str(total), encoding="utf-8")
    sums = [Sum(scratch, folder / f"sum-{n}.txt", log, fatal, n) for n in range(N_PARTS)]
    for _ in context.map_tasks(add, sums, sizes=[1] * N_PARTS, label="add", unit="numbers"):
        pass
    return StageReport(rows_in=N_PARTS, rows_out=total)


STAGE = Stage("prepare", 1, ("prepare",), (), lambda context: {}, work)
NAMES = [f"{kind}-{n}" for kind in ("square", "add") for n in range(N_PARTS)]


def _context(root: Path) -> StageContext:
    root.mkdir(parents=True, exist_ok=True)
    return StageContext(root, "tiny", Params(), Serial(), Silent())


def _output(root: Path) -> dict[str, str]:
    folder = root / "artifacts"
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def _kill(context: StageContext, name: str) -> None:
    (context.root / "fatal").write_text(name, encoding="utf-8")
    with pytest.raises(Killed):
        run(STAGE, context)


def _visits(context: StageContext) -> list[str]:
    log = context.root / "log"
    return log.read_text(encoding="utf-8").split() if log.exists() else []


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of the files of an uninterrupted run, by path."""
    context = _context(tmp_path_factory.mktemp("whole"))
    run(STAGE, context)
    assert _visits(context) == NAMES
    assert set(_output(context.root)) == {
        "prepare/tiny/manifest.json",
        "prepare/tiny/total.txt",
        *(f"prepare/tiny/sum-{n}.txt" for n in range(N_PARTS)),
    }
    return _output(context.root)


@settings(max_examples=15)
@given(kills=st.lists(st.sampled_from(NAMES), max_size=4, unique=True))
def test_killed_runs_continue_and_give_the_same_bytes(
    kills: list[str], uninterrupted: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    context = _context(tmp_path_factory.mktemp("killed"))
    for name in sorted(kills, key=NAMES.index):
        _kill(context, name)
        assert not (context.root / "artifacts").exists()
    run(STAGE, context)
    assert _output(context.root) == uninterrupted and is_current(STAGE, context)
    expected = sorted([*NAMES, *kills])
    assert sorted(_visits(context)) == expected, "each part runs once, and once more if it was killed"
    assert not [path for path in (context.root / ".ssmi" / "scratch").rglob("*") if path.is_file()]


def test_a_part_damaged_after_the_kill_is_computed_again(tmp_path: Path, uninterrupted: dict[str, str]) -> None:
    context = _context(tmp_path)
    _kill(context, "add-3")
    (damaged,) = (tmp_path / ".ssmi").rglob("sum-1.txt")
    damaged.write_text("1: 77", encoding="utf-8")
    run(STAGE, context)
    assert _output(tmp_path) == uninterrupted
    assert _visits(context).count("add-1") == 2 and _visits(context).count("add-2") == 1


def test_parts_of_another_stage_version_are_not_reused(tmp_path: Path, uninterrupted: dict[str, str]) -> None:
    context = _context(tmp_path)
    _kill(context, "add-0")
    run(replace(STAGE, version=2), context)
    assert _visits(context).count("square-0") == 2
    run(STAGE, context)
    assert _visits(context).count("square-0") == 3, "the finished run of the other version removed the leftovers"
    assert _output(tmp_path) == uninterrupted


def test_half_written_files_of_a_killed_process_are_not_in_the_output(
    tmp_path: Path, uninterrupted: dict[str, str]
) -> None:
    context = _context(tmp_path)
    _kill(context, "add-2")
    (output,) = (tmp_path / ".ssmi" / "scratch" / "stages").glob("*/*/output")
    (output / ".sum-3.txt.4711.tmp").write_text("3: ", encoding="utf-8")
    run(STAGE, context)
    assert _output(tmp_path) == uninterrupted


@settings(max_examples=12)
@given(n=st.integers(1, N_PARTS + 2), seed=st.integers())
def test_shares_in_any_order_give_the_same_bytes(
    n: int, seed: int, uninterrupted: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Two rounds, because the second half of the stage needs all of the first; the join computes nothing."""
    context = _context(tmp_path_factory.mktemp("shares"))
    order = random.Random(seed)
    for _ in range(2):
        missing = 0
        for index in order.sample(range(1, n + 1), n):
            share = run_share(STAGE, context, Share(index, n))
            assert (share.stage, share.share) == ("prepare", Share(index, n))
            missing = share.missing
        assert not (context.root / "artifacts").exists()
    assert missing == 0 and sorted(_visits(context)) == sorted(NAMES)
    run(STAGE, context)
    assert _output(context.root) == uninterrupted and sorted(_visits(context)) == sorted(NAMES)


def test_a_share_reports_the_parts_it_waits_for(tmp_path: Path) -> None:
    share = run_share(STAGE, _context(tmp_path), Share(1, 2))
    assert (share.label, share.missing) == ("square numbers", 2)


def test_the_join_computes_missing_parts(tmp_path: Path, uninterrupted: dict[str, str]) -> None:
    context = _context(tmp_path)
    run_share(STAGE, context, Share(2, 3))
    assert _visits(context) == ["square-1", "square-4"]
    run(STAGE, context)
    assert _output(tmp_path) == uninterrupted and _visits(context).count("square-1") == 1


def test_shares_of_a_stage_without_parts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="prepare does not work in parts"):
        run_share(replace(STAGE, in_parts=False), _context(tmp_path), Share(1, 2))


def _join_then_work(context: StageContext, folder: Path) -> StageReport:
    run(STAGE, replace(context, unfinished=None))
    return work(context, folder)


def test_a_share_of_a_stage_joined_meanwhile_is_refused(tmp_path: Path, uninterrupted: dict[str, str]) -> None:
    with pytest.raises(SsmiError, match="another process has joined its parts") as caught:
        run_share(replace(STAGE, work=_join_then_work), _context(tmp_path), Share(1, 1))
    assert caught.value.next_step.startswith("run the command without a part only after all shares have finished")
    assert _output(tmp_path) == uninterrupted


def test_concurrent_runs_do_not_interfere(tmp_path: Path, uninterrupted: dict[str, str]) -> None:
    context = _context(tmp_path)
    errors: list[BaseException] = []

    def run_once() -> None:
        try:
            run(STAGE, context)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run_once) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and _output(tmp_path) == uninterrupted


# One process per kill, forked from one that has imported everything: `os._exit` skips Python's cleanup.
KILL_AT_EVERY_PART = """
import os, sys
from pathlib import Path
import test_unfinished as stage

root = Path(sys.argv[1])
def die(*_): os._exit(9)
for name in stage.NAMES:
    child = os.fork()
    if not child:
        stage.Killed.__init__ = die
        (root / "fatal").write_text(name, encoding="utf-8")
        stage.run(stage.STAGE, stage._context(root))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9, name
stage.run(stage.STAGE, stage._context(root))
"""


def test_a_process_killed_at_every_part_continues(tmp_path: Path, uninterrupted: dict[str, str]) -> None:
    environment = {"PYTHONPATH": ":".join([str(Path(__file__).parent), *sys.path])}
    subprocess.run([sys.executable, "-c", KILL_AT_EVERY_PART, str(tmp_path)], check=True, env=environment, timeout=600)
    assert _output(tmp_path) == uninterrupted
    assert sorted(_visits(_context(tmp_path))) == sorted(NAMES * 2)


def test_tasks_outside_a_stage_need_no_scratch_folder(tmp_path: Path) -> None:
    """Tests and other callers run tasks outside a stage."""
    context = _context(tmp_path)
    task = Square(3, tmp_path / "square-3.txt", tmp_path / "log", tmp_path / "fatal")
    assert list(context.map_tasks(square, [task], sizes=[1], label="x", unit="numbers")) == [9]
    assert not (tmp_path / ".ssmi").exists()

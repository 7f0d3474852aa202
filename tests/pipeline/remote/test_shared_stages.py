"""One stage in several folders that share a storage: each takes the others' finished parts, with equal bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.manifest import StageReport
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.progress import Silent
from ssmi.pipeline.executor import Serial
from ssmi.pipeline.parts.share import Share
from ssmi.pipeline.remote.filesystem import open_folder
from ssmi.pipeline.remote.stages import StoredStages, version_folder
from ssmi.pipeline.stages.running.stage import Stage, StageContext
from ssmi.pipeline.stages.running.stored import fetch_stages, is_current_anywhere, publish
from ssmi.pipeline.stages.running.up_to_date import StageShare, is_current, run, run_share
from tests.reporters import RecordingReporter

N_PARTS = 5
visits: list[str] = []
"""Names of the parts that have run since the test began."""
before_part: dict[str, Callable[[], None]] = {}
"""Functions called once when a part begins, by the part's name."""


class Killed(BaseException):
    """Stands for a signal: no code of a stage handles it."""


@dataclass(frozen=True)
class Square:
    number: int
    target: Path


@dataclass(frozen=True)
class Sum:
    squares: Path
    target: Path
    number: int


def _visit(name: str) -> None:
    if name in before_part:
        before_part.pop(name)()
    visits.append(name)


def square(task: Square) -> int:
    _visit(f"square-{task.number}")
    task.target.write_text(str(task.number**2), encoding="utf-8")
    return task.number**2


def add(task: Sum) -> None:
    _visit(f"add-{task.number}")
    total = sum(int(path.read_text(encoding="utf-8")) for path in task.squares.glob("square-*.txt"))
    task.target.write_text(f"{task.number}: {total}", encoding="utf-8")


def work(context: StageContext, folder: Path) -> StageReport:
    """Write squares into the scratch folder, then several files with their sum, each of which needs all squares."""
    squares = [Square(n, context.scratch() / f"square-{n}.txt") for n in range(N_PARTS)]
    total = sum(context.map_tasks(square, squares, sizes=[1] * N_PARTS, label="square numbers", unit="numbers"))
    (folder / "total.txt").write_text(str(total), encoding="utf-8")
    sums = [Sum(context.scratch(), folder / f"sum-{n}.txt", n) for n in range(N_PARTS)]
    for _ in context.map_tasks(add, sums, sizes=[1] * N_PARTS, label="add", unit="numbers"):
        pass
    return StageReport(rows_in=N_PARTS, rows_out=total)


STAGE = Stage("prepare", 1, ("prepare",), (), lambda context: {}, work)
NAMES = [f"{kind}-{n}" for kind in ("square", "add") for n in range(N_PARTS)]


@pytest.fixture(autouse=True)
def reset_visits() -> None:
    visits.clear()
    before_part.clear()


@pytest.fixture
def machine(url: str, tmp_path: Path) -> Callable[[str], StageContext]:
    """A function that makes a project in its own folder, with the shared storage."""

    def machine(name: str) -> StageContext:
        root = tmp_path / name / "project"
        root.mkdir(parents=True, exist_ok=True)
        return StageContext(root, "tiny", Params(), Serial(), RecordingReporter(), remote=open_folder(url))

    return machine


Machine = Callable[[str], StageContext]


@pytest.fixture(scope="module")
def serial_output(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of the output of a run without storage."""
    context = StageContext(tmp_path_factory.mktemp("whole"), "tiny", Params(), Serial(), Silent())
    run(STAGE, context)
    return _output(context)


def _output(context: StageContext) -> dict[str, str]:
    folder = context.root / "artifacts"
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def _build(context: StageContext) -> bool:
    """Build the stage as ``features build`` does, and return whether it ran."""
    if is_current_anywhere(STAGE, context):
        return False
    run(STAGE, context)
    publish(STAGE, context)
    return True


def _kill_at(context: StageContext, name: str) -> None:
    before_part[name] = _raise
    with pytest.raises(Killed):
        _build(context)


def _raise() -> None:
    raise Killed


def test_a_stage_built_on_one_machine_is_used_on_another(machine: Machine, serial_output: dict[str, str]) -> None:
    assert _build(machine("one"))
    assert _build(machine("two")) is False and visits == NAMES
    assert _output(machine("one")) == _output(machine("two")) == serial_output
    names = machine("one").remote.sizes()  # type: ignore[union-attr]
    assert not [name for name in names if name.startswith("unfinished/")], (
        "parts are removed when the stage is finished"
    )


def test_another_machine_continues_a_killed_build(machine: Machine, serial_output: dict[str, str]) -> None:
    _kill_at(machine("one"), "add-2")
    assert _build(machine("two")) and _output(machine("two")) == serial_output
    assert sorted(visits) == sorted(NAMES), "each part once"


def test_parts_of_a_build_without_storage_are_sent_later(machine: Machine, serial_output: dict[str, str]) -> None:
    _kill_at(replace(machine("one"), remote=None), "add-1")
    _kill_at(machine("one"), "add-3")
    assert _build(machine("two")) and _output(machine("two")) == serial_output
    assert sorted(visits) == sorted(NAMES)


@pytest.mark.parametrize("damage", ["lost", "changed"])
def test_a_part_damaged_in_the_storage_is_computed_again(
    machine: Machine, url: str, serial_output: dict[str, str], damage: str
) -> None:
    _kill_at(machine("one"), "add-2")
    name = _damage(url, "square-3.txt", None if damage == "lost" else b"8")
    context = machine("two")
    _kill_at(context, "add-3")
    assert visits.count("square-3") == 2 and open_folder(url).read(name) == b"9"
    notes = "".join(context.reporter.notes)  # type: ignore[attr-defined]
    reason = "no longer exists" if damage == "lost" else "its content does not match its digest"
    assert f"{url}/{name}: {reason}" in notes and "the part is made again" in notes
    assert _build(machine("three")) and _output(machine("three")) == serial_output


def test_shares_finish_despite_a_damaged_part(machine: Machine, url: str, serial_output: dict[str, str]) -> None:
    run_share(STAGE, machine("one"), Share(1, 2))
    _damage(url, "square-2.txt", b"5")
    assert run_share(STAGE, machine("two"), Share(2, 2)).missing > 0
    for name, share in (("one", Share(1, 2)), ("two", Share(2, 2)), ("one", Share(1, 2))):
        run_share(STAGE, machine(name), share)
    assert _build(machine("join")) and _output(machine("join")) == serial_output
    assert sorted(visits) == sorted(NAMES), "each part once"


def test_a_locally_damaged_part_is_not_sent(machine: Machine, url: str, serial_output: dict[str, str]) -> None:
    _kill_at(replace(machine("one"), remote=None), "add-1")
    (path,) = (machine("one").root / ".ssmi").rglob("square-3.txt")
    path.write_bytes(b"8")
    run_share(STAGE, machine("one"), Share(1, 2))  # square 3 belongs to the other share
    names = open_folder(url).sizes()
    assert any(name.endswith("square-2.txt") for name in names) and not [
        name for name in names if name.endswith("square-3.txt") or "square-numbers/000003" in name
    ]
    assert _build(machine("two")) and _output(machine("two")) == serial_output


def _damage(url: str, suffix: str, content: bytes | None) -> str:
    """Replace the content of a file in storage, or remove the file if None, and return its name."""
    remote = open_folder(url)
    (name,) = (name for name in remote.sizes() if name.endswith(suffix))
    remote.remove(name)
    if content is not None:
        remote.write(name, content)
    return name


@pytest.mark.parametrize("n", [1, 3, 7])
def test_shares_on_separate_machines_give_the_same_bytes(
    machine: Machine, serial_output: dict[str, str], n: int
) -> None:
    """Each share runs on its own machine; another machine joins them and computes nothing."""
    for _ in range(2):
        missing = [run_share(STAGE, machine(f"share-{index}"), Share(index, n)).missing for index in range(1, n + 1)]
    assert missing[-1] == 0
    assert _build(machine("join")) and _output(machine("join")) == serial_output
    assert sorted(visits) == sorted(NAMES), "each part once"


def test_a_share_of_a_finished_stage_does_nothing(machine: Machine) -> None:
    _build(machine("one"))
    for name in ("one", "two"):
        context = machine(name)
        fetch_stages(context.remote, [STAGE.name], "tiny", paths=context.paths, reporter=Silent())
        assert run_share(STAGE, context, Share(1, 2)) == StageShare("prepare", Share(1, 2), current=True)
        assert not [path for path in (context.root / ".ssmi").rglob("scratch/**/*") if path.is_file()]
    assert visits == NAMES


def test_a_share_of_a_finished_stage_does_nothing_without_storage(tmp_path: Path) -> None:
    context = StageContext(tmp_path, "tiny", Params(), Serial(), Silent())
    run(STAGE, context)
    assert run_share(STAGE, context, Share(2, 2)).current and visits == NAMES
    assert not (tmp_path / ".ssmi" / "scratch" / "stages" / "prepare+tiny").exists()


def test_two_concurrent_builds_store_one_complete_stage(machine: Machine, serial_output: dict[str, str]) -> None:
    """The second builder begins and ends while the first is between two parts."""
    before_part["add-1"] = lambda: None if _build(machine("two")) else pytest.fail("was current")
    assert _build(machine("one"))
    assert _output(machine("one")) == _output(machine("two")) == serial_output
    assert _build(machine("three")) is False and _output(machine("three")) == serial_output


def test_concurrent_builds_with_other_parameters_store_one_stage(machine: Machine, url: str) -> None:
    other = Params.model_validate({"prepare": {"seed": 14}})
    unfinished_parts: set[str] = set()

    def build_with_other_params() -> None:
        assert _build(replace(machine("two"), params=other))
        unfinished_parts.update(open_folder(url).sizes("unfinished"))

    before_part["add-1"] = build_with_other_params
    _build(machine("one"))
    assert len([name for name in unfinished_parts if "/square-" in name]) == N_PARTS, (
        "a finished build does not remove the other build's parts"
    )
    assert open_folder(url).sizes("unfinished") == {}
    stored = StoredStages(open_folder(url))
    found = stored.manifest("prepare/tiny")
    assert found is not None and found.digest == manifests.read(machine("one").folder("prepare")).digest
    stored.fetch("prepare/tiny", machine("three").folder("prepare"), reporter=Silent())
    assert is_current(STAGE, machine("three"))


@pytest.mark.parametrize("damage", ["lost", "changed"])
def test_a_damaged_copy_in_the_storage_is_reported_and_replaced(
    machine: Machine, url: str, serial_output: dict[str, str], damage: str
) -> None:
    _build(machine("one"))
    remote = open_folder(url)
    digest = manifests.read(machine("one").folder("prepare")).digest
    name = f"{version_folder('prepare/tiny', digest)}/total.txt"
    if damage == "lost":
        remote.remove(name)
    else:
        remote.write(name, b"x" * len(remote.read(name) or b""))
    states = StoredStages(remote).file_states("prepare/tiny", check_content=True)
    assert str(states[name.removeprefix("prepare/tiny/")]) == ("missing" if damage == "lost" else "changed")
    context = machine("two")
    assert _build(context) and _output(context) == serial_output
    assert "the copy in storage cannot be taken" in context.reporter.notes[0]  # type: ignore[attr-defined]
    assert _build(machine("three")) is False and _output(machine("three")) == serial_output


def test_a_current_stage_missing_in_the_storage_is_sent(machine: Machine, serial_output: dict[str, str]) -> None:
    run(STAGE, replace(machine("one"), remote=None))
    assert _build(machine("one")) is False
    assert _build(machine("two")) is False and _output(machine("two")) == serial_output


def test_a_stage_in_the_storage_replaces_a_different_local_one(machine: Machine, serial_output: dict[str, str]) -> None:
    other = Params.model_validate({"prepare": {"seed": 14}})
    run(STAGE, replace(machine("two"), params=other, remote=None))
    _build(machine("one"))
    context = machine("two")
    assert _output(context) != serial_output
    for _ in range(2):
        fetch_stages(context.remote, ["prepare", "segment"], "tiny", paths=context.paths, reporter=Silent())
        assert _output(context) == serial_output

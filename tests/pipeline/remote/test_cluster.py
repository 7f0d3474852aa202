"""A Dask cluster whose workers share no folder with the build or with each other, only an object store."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.remote.machines import Machines, wait_until

BUILD: tuple[str, ...] = ("features", "build", "-S", "prepare.sentences_per_part=8", "-S", "embed.context=sentence")
BUILD = (*BUILD, "-S", "shards.hidden=true")


@pytest.fixture(scope="module")
def serial_bytes(pristine_project: Any, copy_project: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The artifacts of a serial build without storage."""
    project = copy_project(pristine_project, tmp_path_factory.mktemp("serial"))
    outcome = project.ssmi(*BUILD)
    assert outcome.code == 0, outcome.stderr
    artifacts: dict[str, str] = project.artifacts()
    return artifacts


@pytest.fixture
def builder(fresh_project: Any, tmp_path: Path, s3_environment: dict[str, str]) -> Any:
    """The machine that builds: a project with nothing built and its own cache."""
    environment = {**fresh_project.environment, **s3_environment, "SSMI_CACHE": str(tmp_path / "cache")}
    return replace(fresh_project, environment=environment)


def test_workers_with_separate_folders_give_the_serial_bytes_after_kills(
    builder: Any, machines: Machines, make_bucket: Callable[[], str], serial_bytes: dict[str, str]
) -> None:
    """Kill a worker in mid-build, then the scheduler; the same command continues from the finished parts."""
    url = f"{make_bucket()}/project"
    command = ("--storage", url, *BUILD, "--scheduler")
    scheduler = machines.start_scheduler()
    worker, _ = machines.start_workers(2)
    marks = builder.root / ".ssmi" / "scratch" / "stages" / "embed+tiny"

    def n_finished_parts() -> int:
        return len(list(marks.glob("*/marks/01-embed/*.json")))

    with builder.start(*command, machines.address) as process:
        segmented = builder.root / "artifacts" / "segment" / "tiny" / "manifest.json"
        wait_until(lambda: segmented.exists() or process.poll() is not None, "the segment stage")
        worker.kill()
        wait_until(lambda: n_finished_parts() > 1 or process.poll() is not None, "two parts of embed")
        assert process.poll() is None, process.communicate()[1]
        scheduler.kill()
        _, stderr = process.communicate(timeout=1200)
    assert process.returncode == 4 and "Traceback" not in stderr
    assert "error: embed: the Dask scheduler went away" in stderr
    machines.start_scheduler()
    machines.start_workers(2)
    outcome = builder.process(*command, machines.address)
    assert outcome.code == 0, outcome.stderr
    (n_reused,) = re.findall(r"^embed: (\d+) of \d+ parts are already finished$", outcome.stderr, re.M)
    assert int(n_reused) > 1
    assert builder.artifacts() == serial_bytes


@pytest.mark.heavy
@pytest.mark.parametrize("n_workers", [1, 2, 4])
def test_any_number_of_workers_gives_the_serial_bytes(
    builder: Any, machines: Machines, make_bucket: Callable[[], str], serial_bytes: dict[str, str], n_workers: int
) -> None:
    url = f"{make_bucket()}/project"
    machines.start_scheduler()
    workers = machines.start_workers(n_workers)
    outcome = builder.process("--storage", url, *BUILD, "--scheduler", machines.address)
    assert outcome.code == 0, outcome.stderr
    assert builder.artifacts() == serial_bytes
    for worker in workers:
        assert not (worker.folder / "artifacts").exists() and not list(worker.folder.glob("*.parquet"))
    assert any((worker.folder / "cache" / "objects").is_dir() for worker in workers)

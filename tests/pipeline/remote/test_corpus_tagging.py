"""A corpus tagged by workers that share no folder with the project: run, features and parts go through the storage.

The bytes equal those of a serial call, even if processes are interrupted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import ssmi
from ssmi.pipeline.contract.errors import ParameterError
from ssmi.pipeline.contract.progress import Reporter
from ssmi.pipeline.executor import Executor, Result, Serial, Task, Work
from ssmi.pipeline.remote.filesystem import open_folder
from ssmi.predict.corpus import tagging
from tests.pipeline.remote.machines import Machines
from tests.reporters import RecordingReporter

SMALL_PARTS = ("-S", "prepare.sentences_per_part=4")
LINES = ["吴重阳先生毕业于北京大学，任公司董事长。", "我 在𠮷野家吃饭😀，真好 吃！", "", "中国国籍，" * 100] * 8


@pytest.fixture(scope="module")
def tagged(tagging_project: Any, copy_project: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A project with a run, a corpus with built features, and the corpus's entities from a serial call."""
    project = copy_project(tagging_project, tmp_path_factory.mktemp("tagged"))
    (project.root / "news").mkdir()
    (project.root / "news" / "a.txt").write_text("\n".join(LINES), encoding="utf-8")
    project.build("--corpus", "news", *SMALL_PARTS)
    ssmi.open_project(project.root).predict_shards("news", device="cpu")
    assert len(_entity_digests(project)) > 4
    return project


def _entity_digests(project: Any) -> dict[str, str]:
    """Digests of the parts and of the manifest."""
    digests: dict[str, str] = project.artifacts("predict", "tiny", "news")
    return digests


@pytest.fixture
def untagged(tagged: Any, copy_project: Any, tmp_path: Path) -> Any:
    """A copy of the tagged project, without the entities."""
    return _untagged(tagged, copy_project, tmp_path)


def _untagged(tagged: Any, copy_project: Any, parent: Path) -> Any:
    parent.mkdir(exist_ok=True)
    project = copy_project(tagged, parent)
    for path in (project.root / "artifacts" / "predict" / "tiny" / "news").iterdir():
        path.unlink()
    return project


def test_workers_with_separate_folders_give_the_serial_bytes(
    tagged: Any,
    untagged: Any,
    machines: Machines,
    make_bucket: Callable[[], str],
    s3_environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = f"{make_bucket()}/project"
    environment = {**untagged.environment, **s3_environment, "SSMI_CACHE": str(machines.folder / "cache")}
    project = replace(untagged, environment=environment)
    sent = project.ssmi("--storage", url, "features", "build", "--corpus", "news", *SMALL_PARTS)
    assert sent.code == 0 and not sent.built, sent.stderr
    machines.start_scheduler()
    workers = machines.start_workers(2)
    outcome = project.process(
        "--storage", url, "predict", "--shards", "news", "--device", "cpu", "--scheduler", machines.address
    )
    assert outcome.code == 0, outcome.stderr
    assert _entity_digests(project) == _entity_digests(tagged)
    assert any((worker.folder / "cache" / "objects").is_dir() for worker in workers), (
        "no worker fetched from the storage"
    )
    for name, value in s3_environment.items():
        monkeypatch.setenv(name, value)
    assert not open_folder(url).sizes("unfinished") and not open_folder(url).sizes("predict")


class InterruptedWorkers(Serial):
    """Workers in this process that exchange files through the storage and are interrupted after ``n`` parts."""

    is_local = False

    def __init__(self, n: int) -> None:
        self.n = n

    def map(self, work: Work[Task, Result], reporter: Reporter) -> Iterator[Result]:
        """Run the tasks as a cluster would, and interrupt after ``n`` results."""
        for number, result in enumerate(super().map(work, reporter)):
            if number == self.n:
                raise KeyboardInterrupt
            yield result


def test_another_machine_reuses_the_parts_of_an_interrupted_call(
    tagged: Any, untagged: Any, copy_project: Any, cache_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = (tmp_path / "storage").as_uri()
    (tmp_path / "storage").mkdir()
    executor = InterruptedWorkers(3)

    @contextmanager
    def open_interrupted(**_: object) -> Iterator[Executor]:
        yield executor

    monkeypatch.setattr(tagging, "open_executor", open_interrupted)
    address = "tcp://127.0.0.1:9"
    with pytest.raises(KeyboardInterrupt):
        ssmi.open_project(untagged.root, storage=storage).predict_shards("news", scheduler=address, device="cpu")
    assert not _entity_digests(untagged)
    # Shards that existed only on the first machine have been sent to the storage.
    assert (tmp_path / "storage" / "shards" / "news" / "manifest.json").is_file()
    other = _untagged(tagged, copy_project, tmp_path / "other")
    executor.n = 99
    reporter = RecordingReporter()
    ssmi.open_project(other.root, storage=storage, reporter=reporter).predict_shards(
        "news", scheduler=address, device="cpu"
    )
    assert _entity_digests(other) == _entity_digests(tagged)
    (line,) = (one for one in reporter.notes if one.startswith("predict: "))
    assert int(line.split()[1]) >= 3 and line.endswith("parts are already finished")
    assert not (other.root / ".ssmi" / "scratch" / "stages" / "predict+tiny+news").exists()


def test_storage_in_process_memory_is_refused_for_workers(untagged: Any) -> None:
    """The call is refused before any work starts."""
    opened = ssmi.open_project(untagged.root, storage="memory://tagging/project")
    open_folder("memory://tagging/project").write("a", b"")
    with pytest.raises(ParameterError, match="exists only in this process's memory"):
        opened.predict_shards("news", scheduler="tcp://127.0.0.1:9")

"""A worker that shares no folder with the build: what it fetches, stores and sends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError
from ssmi.pipeline.contract.manifest import Manifest, StageReport, describe_files
from ssmi.pipeline.contract.progress import Silent
from ssmi.pipeline.parts.mark import Part, finished, result_of
from ssmi.pipeline.parts.mirror import Mirror
from ssmi.pipeline.parts.stored import StoredPart, run_stored_part
from ssmi.pipeline.remote.filesystem import RemoteFolder, open_folder

KEY = "0123456789abcdef"


@dataclass(frozen=True)
class Files:
    folder: Path

    def first(self) -> Path:
        return self.folder / "first.txt"


@dataclass(frozen=True)
class Task:
    sentences: Path
    vocabulary: Path
    encoder: Path
    dictionary: Path | None
    files: Files
    stem: Path
    target: Path


@dataclass(frozen=True)
class Report:
    names: list[str]
    text: str


def read_files(task: Task) -> Report:
    """Read every file that the task names, and list all files in the worker's folder."""
    read = [task.sentences, task.vocabulary / "words.txt", task.encoder / "deep" / "weights.bin", task.files.first()]
    read += [task.stem.with_suffix(".arrow"), *([] if task.dictionary is None else [task.dictionary])]
    text = " ".join(path.read_text(encoding="utf-8") for path in read)
    task.target.write_text(text, encoding="utf-8")
    machine = task.files.folder.parents[1]
    return Report(sorted(path.relative_to(machine).as_posix() for path in machine.rglob("*") if path.is_file()), text)


@dataclass(frozen=True)
class Build:
    """The building process and its project."""

    root: Path
    remote: RemoteFolder
    part: Part[Task, Report]

    @property
    def mirror(self) -> Mirror:
        artifacts = self.root / "artifacts"
        return Mirror(self.remote, home="embed+tiny", key=KEY, folder=self.part.folder, artifacts=artifacts)

    def send(self) -> StoredPart[Task, Report]:
        (stored,) = self.mirror.stored_parts([self.part], reporter=Silent())
        return stored


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _finish(folder: Path, stage: str, dataset: str | None) -> None:
    manifests.save(Manifest(stage, dataset, {}, {}, StageReport(1, 1), describe_files(folder), 1), folder)


@pytest.fixture
def build(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Build]:
    """A project with two finished stages, one in progress and an external encoder, and a worker with its own cache."""
    root = tmp_path / "builder" / "project"
    artifacts, unfinished = root / "artifacts", root / ".ssmi" / "scratch" / "stages" / "embed+tiny" / KEY
    for number in range(2):
        _write(artifacts / "segment" / "tiny" / "train" / f"part-0000{number}.txt", f"part-{number}")
    _write(artifacts / "vocab" / "words.txt", "words")
    _write(artifacts / "vocab" / "trie.bin", "trie")
    _finish(artifacts / "segment" / "tiny", "segment", "tiny")
    _finish(artifacts / "vocab", "vocab", None)
    encoder = tmp_path / "elsewhere" / "encoder"
    _write(encoder / "deep" / "weights.bin", "weights")
    _write(unfinished / "scratch" / "first.txt", "first")
    _write(unfinished / "scratch" / "part-1.arrow", "one")
    _write(unfinished / "scratch" / ".half.txt.0123456789abcdef.ssmi.tmp", "half")
    (unfinished / "output").mkdir()
    task = Task(
        artifacts / "segment" / "tiny" / "train" / "part-00001.txt",
        artifacts / "vocab",
        encoder,
        _write(tmp_path / "elsewhere" / "words.txt", "dictionary"),
        Files(unfinished / "scratch"),
        unfinished / "scratch" / "part-1",
        unfinished / "output" / "train" / "seen.txt",
    )
    monkeypatch.setenv("SSMI_CACHE", str(tmp_path / "worker" / "cache"))
    part = Part(read_files, task, unfinished, unfinished / "marks" / "00-look" / "000000.json", artifacts)
    yield Build(root, RemoteFolder((tmp_path / "storage").as_uri()), part)


def test_a_worker_fetches_only_the_files_of_its_task(build: Build, tmp_path: Path) -> None:
    text = run_stored_part(build.send())
    assert text is not None
    report = result_of(build.part, text)
    assert report.text == "part-1 words weights first one dictionary"
    fetched = {name for name in report.names if not name.startswith("@inputs/")}
    assert fetched == {
        "artifacts/segment/tiny/manifest.json",
        "artifacts/segment/tiny/train/part-00001.txt",
        "artifacts/vocab/manifest.json",
        "artifacts/vocab/words.txt",
        "artifacts/vocab/trie.bin",
        "@unfinished/scratch/first.txt",
        "@unfinished/scratch/part-1.arrow",
        "@unfinished/output/train/seen.txt",
    }
    assert len(report.names) - len(fetched) == 2, "the encoder's file and the dictionary"
    assert not build.part.task.target.exists(), "the worker wrote to the builder's folder"


def test_the_builder_downloads_the_finished_part(build: Build) -> None:
    assert finished(build.part) is None
    text = run_stored_part(build.send())
    build.mirror.download(build.part)
    assert finished(build.part) == text
    assert build.part.task.target.read_text(encoding="utf-8") == "part-1 words weights first one dictionary"
    build.mirror.remove()
    assert not [name for name in build.remote.sizes() if name.startswith("unfinished/")]


def test_files_are_sent_once(build: Build) -> None:
    """A file already in the storage, by digest, is not sent again: the next stage uses the same encoder."""
    build.send()
    versions = {name: one for name, one in build.remote.versions().items() if not name.startswith("unfinished/")}
    build.send()
    assert versions == {
        name: one for name, one in build.remote.versions().items() if not name.startswith("unfinished/")
    }
    assert sum(name.startswith("inputs/") for name in versions) == 2


def test_stored_tasks_contain_no_path_of_the_builder(build: Build, tmp_path: Path) -> None:
    stored = build.send()
    assert str(tmp_path / "builder") not in repr(stored) and str(tmp_path / "elsewhere") not in repr(stored)
    for name in build.remote.sizes():
        assert str(tmp_path).encode() not in (build.remote.read(name) or b"")


def test_missing_and_changed_files_in_the_storage_are_refused(build: Build) -> None:
    stored = build.send()
    (name,) = (name for name in build.remote.sizes() if name.endswith("scratch/first.txt"))
    build.remote.write(name, b"First")
    with pytest.raises(StaleArtifactError, match=r"first\.txt: its content does not match its digest"):
        run_stored_part(stored)
    build.mirror.remove()
    _write(build.part.task.files.first(), "new content, so that the index changes")
    stored = build.send()
    build.mirror.remove()
    with pytest.raises(MissingResourceError, match=r"indexes/.*: no longer exists"):
        run_stored_part(stored)


def test_a_stored_part_of_another_task_is_not_used(build: Build) -> None:
    run_stored_part(build.send())
    _write(build.part.task.encoder.parent / "another" / "deep" / "weights.bin", "w")
    other = Part(
        read_files,
        Task(**{**vars(build.part.task), "encoder": build.part.task.encoder.parent / "another"}),
        build.part.folder,
        build.part.mark,
        build.part.artifacts,
    )
    build.mirror.synchronize([other], reporter=Silent())
    assert finished(other) is None and not other.mark.exists()
    build.mirror.synchronize([build.part], reporter=Silent())
    assert finished(build.part) is not None


def test_an_index_with_files_outside_the_folder_is_refused(build: Build) -> None:
    stored = build.send()
    remote, name = open_folder(stored.url), f"{stored.place}/{stored.index}"
    index = json.loads(remote.read(name) or b"")
    index["files"]["../../elsewhere"] = "0" * 64
    remote.write(name, json.dumps(index).encode())
    with pytest.raises(StaleArtifactError, match="names files elsewhere"):
        run_stored_part(stored)

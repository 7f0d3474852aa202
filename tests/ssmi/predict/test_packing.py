"""Packing a run from Python: the copied files, the reports, and the errors of an incomplete pack."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ssmi.pipeline.contract.errors import ParameterError, StaleArtifactError
from ssmi.pipeline.contract.manifest import digest_file
from ssmi.pipeline.contract.progress import Advance
from ssmi.predict.packing import REPACK_ADVICE, check_pack, pack


class TaskRecorder:
    """A reporter that records each task's total and progress; may fail at the first step."""

    def __init__(self, *, fail: bool = False) -> None:
        self.done: list[tuple[str, int, int]] = []
        self._fail = fail

    @contextmanager
    def task(self, label: str, *, total: int, unit: str) -> Iterator[Advance]:
        steps: list[int] = []

        def advance(n: int) -> None:
            if self._fail:
                raise KeyboardInterrupt
            steps.append(n)

        yield advance
        self.done.append((label, total, sum(steps)))

    def note(self, message: str) -> None:
        raise AssertionError(message)


@pytest.fixture(scope="module")
def run(tagging_project: Any) -> Path:
    folder: Path = tagging_project.root / "artifacts" / "train" / "tiny"
    return folder


@pytest.fixture(scope="module")
def packed_once(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("packs") / "pack"
    pack(run, out)
    return out


@pytest.fixture
def packed(packed_once: Path, tmp_path: Path) -> Path:
    """A writable copy of the pack."""
    shutil.copytree(packed_once, tmp_path / "pack")
    return tmp_path / "pack"


def test_reported_files_are_written(run: Path, tmp_path: Path) -> None:
    reporter = TaskRecorder()
    sizes = pack(run, tmp_path / "deep" / "pack", reporter=reporter)
    out = tmp_path / "deep" / "pack"
    present = {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}
    assert set(present) - set(sizes) == {"pack.json", "README.txt"} and not set(sizes) - set(present)
    assert all(present[name].stat().st_size == size for name, size in sizes.items())
    assert reporter.done == [("export", sum(sizes.values()), sum(sizes.values()))]
    body = json.loads((out / "pack.json").read_text(encoding="utf-8"))
    assert body["files"] == {name: digest_file(present[name]) for name in sizes}
    for path in (run / "checkpoint").rglob("*"):
        if path.is_file():
            assert present[path.relative_to(run).as_posix()].read_bytes() == path.read_bytes()
    check_pack(out)


def test_without_metrics_the_rest_is_packed(run: Path, tagging_project: Any, tmp_path: Path) -> None:
    unfinished = tmp_path / "run"
    shutil.copytree(run, unfinished)
    (unfinished / "metrics.json").unlink()
    sizes = pack(unfinished, tmp_path / "pack", project=tagging_project.root)
    assert "metrics.json" not in sizes and "checkpoint/model.safetensors" in sizes
    check_pack(tmp_path / "pack")


def test_an_interrupted_pack_leaves_nothing(run: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        pack(run, tmp_path / "pack", reporter=TaskRecorder(fail=True))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "empty folder", "broken link"])
def test_existing_files_are_kept(run: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "pack"
    make: dict[str, Callable[[], object]] = {
        "file": lambda: out.write_text("mine", encoding="utf-8"),
        "empty folder": out.mkdir,
        "broken link": lambda: out.symlink_to(tmp_path / "nowhere"),
    }
    make[kind]()
    with pytest.raises(ParameterError) as raised:
        pack(run, out)
    assert raised.value.message == f"{out}: already exists"
    assert [path.name for path in tmp_path.iterdir()] == ["pack"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Expecting"),
        ("[]", "list indices"),
        ('{"format": 1}', "'files'"),
        ('{"format": 2, "files": {}}', "format 2, this program reads 1"),
        ('{"format": 1, "files": []}', "items"),
    ],
)
def test_an_invalid_file_list_is_refused(packed: Path, text: str, message: str) -> None:
    (packed / "pack.json").write_text(text, encoding="utf-8")
    with pytest.raises(StaleArtifactError) as raised:
        check_pack(packed)
    assert raised.value.message.startswith(f"{packed / 'pack.json'}: not a valid pack of this version (")
    assert message in raised.value.message and raised.value.next_step == REPACK_ADVICE


def test_all_changed_files_are_reported_together(packed: Path) -> None:
    listed = json.loads((packed / "pack.json").read_text(encoding="utf-8"))["files"]
    (packed / "metrics.json").write_text("{}", encoding="utf-8")
    (packed / "checkpoint" / "labels.json").unlink()
    (packed / "features" / "pmi" / "pairs.parquet").unlink()
    with pytest.raises(StaleArtifactError) as raised:
        check_pack(packed)
    problems = [
        f"{packed / name} is {present[:12]}, {listed[name][:12]} was packed"
        for name, present in (
            ("checkpoint/labels.json", "missing"),
            ("features/pmi/pairs.parquet", "missing"),
            ("metrics.json", digest_file(packed / "metrics.json")),
        )
    ]
    assert raised.value.message == f"not the run that was packed: {'; '.join(problems)}"
    with pytest.raises(StaleArtifactError, match="not the run that was packed"):
        pack(packed, packed.parent / "again")  # and it cannot be packed again
    assert not (packed.parent / "again").exists()


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "a/../../b", "a\\b"])
def test_a_pack_cannot_name_outside_files(tmp_path: Path, name: str) -> None:
    (tmp_path / "pack.json").write_text(json.dumps({"format": 1, "files": {name: "0" * 64}}), encoding="utf-8")
    with pytest.raises(StaleArtifactError, match="is not a file below it"):
        check_pack(tmp_path)


def test_a_pack_can_name_invalid_file_names(tmp_path: Path) -> None:
    (tmp_path / "pack.json").write_text(json.dumps({"format": 1, "files": {"a" * 300: "0" * 64}}), encoding="utf-8")
    with pytest.raises(StaleArtifactError, match=r"is missing, .* was packed"):
        check_pack(tmp_path)

"""The list of a finished run's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssmi.model.runs.results import result_files
from ssmi.pipeline.contract.errors import StaleArtifactError


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run with just the files that the list needs."""
    (tmp_path / "counts").mkdir()
    for name in ("history.csv", "headline.json", "counts/dev.parquet"):
        (tmp_path / name).write_bytes(name.encode())
    result_files.write(tmp_path, metrics=b"{}")
    (tmp_path / "metrics.json").write_bytes(b"{}")
    return tmp_path


def test_changed_result_files_are_refused(run: Path) -> None:
    assert list(result_files.read(run)) == ["counts/dev.parquet", "headline.json", "history.csv", "metrics.json"]
    for name in result_files.read(run):
        path = run / name
        original = path.read_bytes()
        result_files.check(run, path)
        path.write_bytes(original + b"!")
        with pytest.raises(StaleArtifactError, match="changed since it was written") as refused:
            result_files.check(run, path)
        assert str(path) in refused.value.message and "train again" in refused.value.next_step
        path.write_bytes(original)


def test_every_changed_byte_of_an_entry_is_detected(run: Path) -> None:
    path = run / "files.json"
    original = path.read_bytes()
    start = original.index(b"metrics.json")
    for place in range(start, original.rindex(b'"')):
        path.write_bytes(original[:place] + bytes([original[place] ^ 2]) + original[place + 1 :])
        with pytest.raises(StaleArtifactError):
            result_files.check(run, run / "metrics.json")


def test_list_of_files_is_required_only_for_finished_runs(run: Path) -> None:
    (run / "files.json").unlink()
    with pytest.raises(StaleArtifactError, match="no list of this run's files"):
        result_files.check(run, run / "history.csv")
    (run / "metrics.json").unlink()
    result_files.check(run, run / "history.csv")

"""Finished stages in storage: always one complete version, never a mixture of two."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError
from ssmi.pipeline.contract.manifest import MANIFEST_NAME, Manifest, StageReport, describe_files
from ssmi.pipeline.contract.progress import Silent
from ssmi.pipeline.remote.filesystem import RemoteFolder
from ssmi.pipeline.remote.stages import StoredStages, version_folder

STAGE_FOLDER = "segment/tiny"
MakeStage = Callable[[str], Path]


@pytest.fixture
def make_stage(tmp_path: Path) -> MakeStage:
    """A function that makes a finished folder whose files contain a given text."""

    def make_stage(text: str) -> Path:
        folder = tmp_path / f"made-{text}"
        (folder / "train").mkdir(parents=True)
        (folder / "train" / "part-0.txt").write_text(text, encoding="utf-8")
        (folder / "same.txt").write_text("the same in all versions", encoding="utf-8")
        files = describe_files(folder)
        manifests.save(Manifest("segment", "tiny", {"segment": {}}, {}, StageReport(1, 1), files, 1), folder)
        return folder

    return make_stage


@pytest.fixture
def stored(url: str) -> StoredStages:
    return StoredStages(RemoteFolder(url))


def _content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _publish(stored: StoredStages, folder: Path) -> None:
    stored.publish(folder, STAGE_FOLDER, reporter=Silent())


def test_publications_replace_each_other_completely(
    stored: StoredStages, make_stage: MakeStage, tmp_path: Path
) -> None:
    assert stored.manifest(STAGE_FOLDER) is None
    with pytest.raises(MissingResourceError, match="segment/tiny: not built"):
        stored.fetch(STAGE_FOLDER, tmp_path / "here", reporter=Silent())
    first, second = make_stage("one"), make_stage("two")
    for folder in (first, second, second, first):
        _publish(stored, folder)
        stored.fetch(STAGE_FOLDER, tmp_path / "here", reporter=Silent())
        assert _content(tmp_path / "here") == _content(folder)
        found = stored.manifest(STAGE_FOLDER)
        assert found is not None and found.digest == manifests.read(folder).digest
        # The previous version has been removed.
        assert set(stored.remote.sizes(STAGE_FOLDER)) == {
            f"{STAGE_FOLDER}/{MANIFEST_NAME}",
            *(f"{version_folder(STAGE_FOLDER, found.digest)}/{name}" for name in _content(folder)),
        }


def test_stages_are_listed_with_the_state_of_their_files(stored: StoredStages, make_stage: MakeStage) -> None:
    folder = make_stage("one")
    for place in ("segment/tiny", "vocab", "segment/b c"):
        stored.publish(folder, place, reporter=Silent())
    assert stored.places() == ["segment/b c", "segment/tiny", "vocab"]
    folder_of_version = version_folder(STAGE_FOLDER, manifests.read(folder).digest)
    version = folder_of_version.removeprefix(f"{STAGE_FOLDER}/")
    intact = dict.fromkeys(
        [f"{version}/{name}" for name in ("manifest.json", "same.txt", "train/part-0.txt")], "intact"
    )
    assert {name: str(state) for name, state in stored.file_states(STAGE_FOLDER, check_content=True).items()} == intact
    stored.remote.remove(f"{folder_of_version}/same.txt")
    stored.remote.write(f"{folder_of_version}/train/part-0.txt", b"two")
    stored.remote.write(f"{folder_of_version}/foreign", b"")
    shallow = {name: str(state) for name, state in stored.file_states(STAGE_FOLDER, check_content=False).items()}
    assert shallow == {**intact, f"{version}/foreign": "foreign", f"{version}/same.txt": "missing"}
    assert str(stored.file_states(STAGE_FOLDER, check_content=True)[f"{version}/train/part-0.txt"]) == "changed"
    assert all(
        f"{STAGE_FOLDER}/{name}" in stored.remote.sizes() for name, state in shallow.items() if state != "missing"
    )
    stored.remote.write(f"{STAGE_FOLDER}/{MANIFEST_NAME}", b"{}")
    assert {name: str(state) for name, state in stored.file_states(STAGE_FOLDER, check_content=False).items()} == {
        MANIFEST_NAME: "changed"
    }


def test_files_of_an_unfinished_publication_are_foreign(stored: StoredStages, make_stage: MakeStage) -> None:
    """Nothing removes these files, as the process may be alive on another machine, but they are reported."""
    folder, other = make_stage("one"), make_stage("two")
    other_digest = stored.publish_version(other, STAGE_FOLDER, reporter=Silent())
    _publish(stored, folder)
    states = stored.file_states(STAGE_FOLDER, check_content=False)
    foreign = {name for name, state in states.items() if str(state) == "foreign"}
    version = version_folder(STAGE_FOLDER, other_digest).removeprefix(f"{STAGE_FOLDER}/")
    assert foreign == {f"{version}/{name}" for name in _content(other)}
    assert {str(state) for name, state in states.items() if name not in foreign} == {"intact"}


def test_a_partly_sent_file_is_sent_again(stored: StoredStages, make_stage: MakeStage, tmp_path: Path) -> None:
    folder = make_stage("one")
    _publish(stored, folder)
    folder_of_version = version_folder(STAGE_FOLDER, manifests.read(folder).digest)
    stored.remote.write(f"{folder_of_version}/same.txt", b"the sa")
    with pytest.raises(StaleArtifactError, match=r"same\.txt: its content does not match its digest"):
        stored.fetch(STAGE_FOLDER, tmp_path / "here", reporter=Silent())
    assert not (tmp_path / "here").exists()
    _publish(stored, folder)
    stored.fetch(STAGE_FOLDER, tmp_path / "here", reporter=Silent())
    assert _content(tmp_path / "here") == _content(folder)


def test_missing_files_and_damaged_manifests_are_reported_with_a_command(
    stored: StoredStages, make_stage: MakeStage, tmp_path: Path
) -> None:
    folder = make_stage("one")
    _publish(stored, folder)
    stored.remote.remove(version_folder(STAGE_FOLDER, manifests.read(folder).digest))
    with pytest.raises(MissingResourceError, match="missing, although its manifest lists it") as caught:
        stored.fetch(STAGE_FOLDER, tmp_path / "here", reporter=Silent())
    assert f"--storage {stored.remote} features build --dataset tiny" in caught.value.next_step
    stored.remote.write(f"{STAGE_FOLDER}/{MANIFEST_NAME}", b"{broken")
    with pytest.raises(StaleArtifactError, match=r"segment/tiny/manifest\.json: damaged") as stale:
        stored.fetch(STAGE_FOLDER, tmp_path / "here", reporter=Silent())
    assert "features build --dataset tiny" in stale.value.next_step
    _publish(stored, folder)
    stored.fetch(STAGE_FOLDER, tmp_path / "here", reporter=Silent())
    assert _content(tmp_path / "here") == _content(folder)


def test_only_requested_files_are_linked(stored: StoredStages, make_stage: MakeStage, cache_folder: Path) -> None:
    folder = make_stage("one")
    _publish(stored, folder)
    digest = manifests.read(folder).digest
    target = cache_folder / "workers" / "one"
    stored.link(STAGE_FOLDER, digest, target, names=["train/part-0.txt", "no/such-file"])
    assert set(_content(target)) == {MANIFEST_NAME, "train/part-0.txt"}
    stored.link(STAGE_FOLDER, digest, target, names=["train"])
    assert "same.txt" not in _content(target)
    stored.link(STAGE_FOLDER, digest, target, names=[""])
    assert _content(target) == _content(folder)


def test_a_manifest_of_another_schema_version_is_ignored(stored: StoredStages, make_stage: MakeStage) -> None:
    stored.remote.write(f"{STAGE_FOLDER}/{MANIFEST_NAME}", b'{"schema_version": 1}')
    assert stored.manifest(STAGE_FOLDER) is None
    _publish(stored, make_stage("one"))
    assert stored.manifest(STAGE_FOLDER) is not None


_PUBLISH_AND_DIE = f"""
import os, sys
from pathlib import Path
import fsspec
from fsspec.implementations.local import LocalFileSystem
from ssmi.pipeline.contract.progress import Silent
from ssmi.pipeline.remote.filesystem import RemoteFolder
from ssmi.pipeline.remote.stages import StoredStages

class Dying(LocalFileSystem):
    "A driver under which the process dies before a file of some name has its name."
    protocol = "dying"
    def mv(self, path1, path2, **options):
        if path2.endswith(sys.argv[3]):
            os.kill(os.getpid(), 9)
        super().mv(path1, path2, **options)

fsspec.register_implementation("dying", Dying)
StoredStages(RemoteFolder("dying://" + sys.argv[1])).publish(Path(sys.argv[2]), {STAGE_FOLDER!r}, reporter=Silent())
"""


@pytest.mark.parametrize("fatal_file", ["train/part-0.txt", "segment/tiny/manifest.json"])
@pytest.mark.parametrize("before", [None, "old"])
def test_a_kill_before_the_manifest_changes_nothing(
    fatal_file: str, before: str | None, make_stage: MakeStage, tmp_path: Path
) -> None:
    """The files of the killed process do no harm, and the next publication succeeds."""
    storage = tmp_path / "storage"
    stored = StoredStages(RemoteFolder(storage.as_uri()))
    if before is not None:
        _publish(stored, make_stage(before))
    new = make_stage("new")
    completed = subprocess.run(
        [sys.executable, "-c", _PUBLISH_AND_DIE, str(storage), str(new), fatal_file], check=False, capture_output=True
    )
    assert completed.returncode == -9, completed.stderr
    assert any(
        name.startswith(version_folder(STAGE_FOLDER, manifests.read(new).digest)) for name in stored.remote.sizes()
    )
    found = stored.manifest(STAGE_FOLDER)
    if before is None:
        assert found is None
    else:
        stored.fetch(STAGE_FOLDER, tmp_path / "here", reporter=Silent())
        assert _content(tmp_path / "here") == _content(tmp_path / "made-old")
    _publish(stored, new)
    stored.fetch(STAGE_FOLDER, tmp_path / "here", reporter=Silent())
    assert _content(tmp_path / "here") == _content(new)

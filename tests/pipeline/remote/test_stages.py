"""Finished stages in storage: always one whole version, never a mixture of two."""

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

PLACE = "segment/tiny"
Make = Callable[[str], Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A function that makes a finished folder whose files hold a given text."""

    def make(text: str) -> Path:
        folder = tmp_path / f"made-{text}"
        (folder / "train").mkdir(parents=True)
        (folder / "train" / "part-0.txt").write_text(text, encoding="utf-8")
        (folder / "same.txt").write_text("the same in all versions", encoding="utf-8")
        files = describe_files(folder)
        manifests.save(Manifest("segment", "tiny", {"segment": {}}, {}, StageReport(1, 1), files, 1), folder)
        return folder

    return make


@pytest.fixture
def stored(url: str) -> StoredStages:
    return StoredStages(RemoteFolder(url))


def _content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _publish(stored: StoredStages, folder: Path) -> None:
    stored.publish(folder, PLACE, reporter=Silent())


def test_what_is_published_is_fetched_whole(stored: StoredStages, make: Make, tmp_path: Path) -> None:
    assert stored.manifest(PLACE) is None
    with pytest.raises(MissingResourceError, match="segment/tiny: not built"):
        stored.fetch(PLACE, tmp_path / "here", reporter=Silent())
    one, two = make("one"), make("two")
    for folder in (one, two, two, one):
        _publish(stored, folder)
        stored.fetch(PLACE, tmp_path / "here", reporter=Silent())
        assert _content(tmp_path / "here") == _content(folder)
        found = stored.manifest(PLACE)
        assert found is not None and found.digest == manifests.read(folder).digest
        # The previous version has been removed.
        assert set(stored.remote.sizes(PLACE)) == {
            f"{PLACE}/{MANIFEST_NAME}",
            *(f"{version_folder(PLACE, found.digest)}/{name}" for name in _content(folder)),
        }


def test_stages_are_listed_and_looked_at(stored: StoredStages, make: Make) -> None:
    folder = make("one")
    for place in ("segment/tiny", "vocab", "segment/b c"):
        stored.publish(folder, place, reporter=Silent())
    assert stored.places() == ["segment/b c", "segment/tiny", "vocab"]
    below = version_folder(PLACE, manifests.read(folder).digest)
    version = below.removeprefix(f"{PLACE}/")
    intact = dict.fromkeys(
        [f"{version}/{name}" for name in ("manifest.json", "same.txt", "train/part-0.txt")], "intact"
    )
    assert {name: str(state) for name, state in stored.file_states(PLACE, check_content=True).items()} == intact
    stored.remote.remove(f"{below}/same.txt")
    stored.remote.write(f"{below}/train/part-0.txt", b"two")
    stored.remote.write(f"{below}/foreign", b"")
    shallow = {name: str(state) for name, state in stored.file_states(PLACE, check_content=False).items()}
    assert shallow == {**intact, f"{version}/foreign": "foreign", f"{version}/same.txt": "missing"}
    assert str(stored.file_states(PLACE, check_content=True)[f"{version}/train/part-0.txt"]) == "changed"
    assert all(f"{PLACE}/{name}" in stored.remote.sizes() for name, state in shallow.items() if state != "missing")
    stored.remote.write(f"{PLACE}/{MANIFEST_NAME}", b"{}")
    assert {name: str(state) for name, state in stored.file_states(PLACE, check_content=False).items()} == {
        MANIFEST_NAME: "changed"
    }


def test_what_a_killed_process_has_sent_of_another_version_is_foreign(stored: StoredStages, make: Make) -> None:
    """Nothing removes these files, as the process may be alive on another machine, but they are reported."""
    folder, other = make("one"), make("two")
    other_digest = stored.publish_version(other, PLACE, reporter=Silent())
    _publish(stored, folder)
    states = stored.file_states(PLACE, check_content=False)
    foreign = {name for name, state in states.items() if str(state) == "foreign"}
    version = version_folder(PLACE, other_digest).removeprefix(f"{PLACE}/")
    assert foreign == {f"{version}/{name}" for name in _content(other)}
    assert {str(state) for name, state in states.items() if name not in foreign} == {"intact"}


def test_a_file_that_was_lost_or_half_sent_is_sent_again(stored: StoredStages, make: Make, tmp_path: Path) -> None:
    folder = make("one")
    _publish(stored, folder)
    below = version_folder(PLACE, manifests.read(folder).digest)
    stored.remote.write(f"{below}/same.txt", b"the sa")
    with pytest.raises(StaleArtifactError, match=r"same\.txt: its content does not match its digest"):
        stored.fetch(PLACE, tmp_path / "here", reporter=Silent())
    assert not (tmp_path / "here").exists()
    _publish(stored, folder)
    stored.fetch(PLACE, tmp_path / "here", reporter=Silent())
    assert _content(tmp_path / "here") == _content(folder)


def test_a_lost_file_and_a_damaged_manifest_name_the_command_that_helps(
    stored: StoredStages, make: Make, tmp_path: Path
) -> None:
    folder = make("one")
    _publish(stored, folder)
    stored.remote.remove(version_folder(PLACE, manifests.read(folder).digest))
    with pytest.raises(MissingResourceError, match="missing, although its manifest lists it") as caught:
        stored.fetch(PLACE, tmp_path / "here", reporter=Silent())
    assert f"--storage {stored.remote} features build --dataset tiny" in caught.value.next_step
    stored.remote.write(f"{PLACE}/{MANIFEST_NAME}", b"{broken")
    with pytest.raises(StaleArtifactError, match=r"segment/tiny/manifest\.json: damaged") as stale:
        stored.fetch(PLACE, tmp_path / "here", reporter=Silent())
    assert "features build --dataset tiny" in stale.value.next_step
    _publish(stored, folder)
    stored.fetch(PLACE, tmp_path / "here", reporter=Silent())
    assert _content(tmp_path / "here") == _content(folder)


def test_only_what_is_asked_for_is_linked(stored: StoredStages, make: Make, cache_folder: Path) -> None:
    folder = make("one")
    _publish(stored, folder)
    digest = manifests.read(folder).digest
    target = cache_folder / "workers" / "one"
    stored.link(PLACE, digest, target, names=["train/part-0.txt", "no/such-file"])
    assert set(_content(target)) == {MANIFEST_NAME, "train/part-0.txt"}
    stored.link(PLACE, digest, target, names=["train"])
    assert "same.txt" not in _content(target)
    stored.link(PLACE, digest, target, names=[""])
    assert _content(target) == _content(folder)


def test_a_manifest_of_another_version_is_none(stored: StoredStages, make: Make) -> None:
    stored.remote.write(f"{PLACE}/{MANIFEST_NAME}", b'{"schema_version": 1}')
    assert stored.manifest(PLACE) is None
    _publish(stored, make("one"))
    assert stored.manifest(PLACE) is not None


_DYING = f"""
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
StoredStages(RemoteFolder("dying://" + sys.argv[1])).publish(Path(sys.argv[2]), {PLACE!r}, reporter=Silent())
"""


@pytest.mark.parametrize("at", ["train/part-0.txt", "segment/tiny/manifest.json"])
@pytest.mark.parametrize("before", [None, "old"])
def test_killed_before_the_manifest_nothing_has_changed(
    at: str, before: str | None, make: Make, tmp_path: Path
) -> None:
    """The files of the killed process do no harm, and the next publication succeeds."""
    home = tmp_path / "storage"
    stored = StoredStages(RemoteFolder(home.as_uri()))
    if before is not None:
        _publish(stored, make(before))
    new = make("new")
    died = subprocess.run([sys.executable, "-c", _DYING, str(home), str(new), at], check=False, capture_output=True)
    assert died.returncode == -9, died.stderr
    assert any(name.startswith(version_folder(PLACE, manifests.read(new).digest)) for name in stored.remote.sizes())
    found = stored.manifest(PLACE)
    if before is None:
        assert found is None
    else:
        stored.fetch(PLACE, tmp_path / "here", reporter=Silent())
        assert _content(tmp_path / "here") == _content(tmp_path / "made-old")
    _publish(stored, new)
    stored.fetch(PLACE, tmp_path / "here", reporter=Silent())
    assert _content(tmp_path / "here") == _content(new)

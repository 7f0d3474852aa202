"""Files and folders are written completely or not at all, also if the process is killed; remains are removed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ssmi.pipeline.contract.storage.replacing import (
    final_path,
    replacing_folder,
    sweep,
    sweep_below,
    temporary_folder,
    writing,
)

REPOSITORY = Path(__file__).parents[4]
REQUIRES_FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no such locks")


def _names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def _folder(parent: Path) -> Path:
    folder = parent / "shards"
    folder.mkdir()
    (folder / "old.txt").write_text("old", encoding="utf-8")
    return folder


# --- completely or not at all -----------------------------------------------------------------------------------------


def test_a_file_appears_only_when_its_block_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with writing(path) as temporary:
        temporary.write_text("new", encoding="utf-8")
        assert not path.exists() and temporary.parent == tmp_path
    assert path.read_text(encoding="utf-8") == "new" and _names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("wrote", [True, False])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failing_block_leaves_the_old_file(tmp_path: Path, wrote: bool, error: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(error), writing(path) as temporary:
        if wrote:
            temporary.write_text("half", encoding="utf-8")
        raise error
    assert path.read_text(encoding="utf-8") == "old" and _names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("existing", [True, False])
def test_a_folder_is_replaced_as_a_whole(tmp_path: Path, existing: bool) -> None:
    folder = _folder(tmp_path) if existing else tmp_path / "deep" / "shards"
    with replacing_folder(folder) as fresh:
        assert list(fresh.iterdir()) == []
        (fresh / "train").mkdir()
        (fresh / "train" / "new.txt").write_text("new", encoding="utf-8")
        assert folder.exists() is existing
    assert _names(folder) == ["train", "train/new.txt"]
    assert [path.name for path in folder.parent.iterdir()] == ["shards"]
    assert folder.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failing_block_leaves_the_old_folder(tmp_path: Path, existing: bool, error: type[BaseException]) -> None:
    folder = _folder(tmp_path) if existing else tmp_path / "shards"
    before = _names(tmp_path)
    with pytest.raises(error), replacing_folder(folder) as fresh:
        (fresh / "new.txt").write_text("half", encoding="utf-8")
        raise error
    assert _names(tmp_path) == before


@pytest.mark.parametrize("kind", ["file", "link", "link to nothing"])
def test_a_file_or_a_link_is_replaced_by_a_folder(tmp_path: Path, kind: str) -> None:
    place, other = tmp_path / "place", tmp_path / "other"
    other.mkdir()
    if kind == "file":
        place.write_text("old", encoding="utf-8")
    elif kind == "link":
        place.symlink_to(other, target_is_directory=True)
    else:
        place.symlink_to(tmp_path / "nowhere")
    with replacing_folder(place) as fresh:
        (fresh / "new.txt").write_text("new", encoding="utf-8")
    assert _names(tmp_path) == ["other", "place", "place/new.txt"] and not place.is_symlink()


# --- unpredictable names ----------------------------------------------------------------------------------------------


def test_temporary_names_differ_and_lie_beside_their_target(tmp_path: Path) -> None:
    names = set()
    for _ in range(20):
        with writing(tmp_path / "a.txt") as temporary, temporary_folder(tmp_path / "a") as folder:
            names |= {temporary.name, folder.name}
            assert temporary.parent == folder.parent == tmp_path
            assert (final_path(temporary), final_path(folder)) == (tmp_path / "a.txt", tmp_path / "a")
    assert len(names) == 40


@pytest.mark.parametrize("make", [writing, temporary_folder])
def test_a_link_planted_at_a_temporary_name_is_refused(
    tmp_path: Path, make: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if the token is known, a link at that name is refused and its target is unchanged."""
    victim = tmp_path / "victim"
    victim.write_text("mine", encoding="utf-8")
    monkeypatch.setattr("secrets.token_hex", lambda n: "0" * 2 * n)
    (tmp_path / ".a.0000000000000000.ssmi.tmp").symlink_to(victim)
    with pytest.raises(FileExistsError), make(tmp_path / "a"):  # type: ignore[attr-defined]
        pass
    assert victim.read_text(encoding="utf-8") == "mine"


@pytest.mark.skipif(sys.platform == "win32", reason="no such permissions")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_file_gets_the_usual_permissions(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        with writing(tmp_path / "a.txt") as temporary:
            temporary.write_text("new", encoding="utf-8")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == mode


def test_a_file_name_may_have_the_maximum_length(tmp_path: Path) -> None:
    path = tmp_path / ("字" * 85)
    with writing(path) as temporary:
        temporary.write_text("new", encoding="utf-8")
    assert _names(tmp_path) == [path.name]


# --- remains of killed processes --------------------------------------------------------------------------------------

DYING = """
import os, signal, sys
from pathlib import Path
from ssmi.pipeline.contract.storage.replacing import discard, replacing_folder, writing

UNWANTED = ("unwanted/a.txt", "unwanted/b.txt")
EVENTS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "shutil.rmtree", "fcntl.flock"}

def write(place, left):
    def die(event, arguments):
        nonlocal left
        left -= event in EVENTS
        if not left and event in EVENTS:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(die)
    with writing(place / "file") as temporary:
        temporary.write_text("new", encoding="utf-8")
    with replacing_folder(place / "folder") as fresh:
        with writing(fresh / "a.txt") as temporary:
            temporary.write_text("new", encoding="utf-8")
        (fresh / "b.txt").write_text("new", encoding="utf-8")
    discard(place / "unwanted")
    os._exit(0)

killed, nth = True, 0
while killed:
    nth += 1
    place = Path(sys.argv[1], str(nth))
    for name in ("folder", "unwanted"):
        (place / name).mkdir(parents=True)
    for name in ("file", "folder/a.txt", "folder/b.txt", *UNWANTED):
        (place / name).write_text("old", encoding="utf-8")
    child = os.fork()
    if not child:
        write(place, nth)
    killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
"""


@REQUIRES_FORK
def test_a_process_killed_at_any_file_operation_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    """Also between the two renames of a folder, when it is missing: sweeping restores it."""
    result = subprocess.run(
        [sys.executable, "-c", DYING, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert (result.returncode, result.stderr) == (0, "")
    found, discarded, n_swept = [], [], 0
    for place in sorted(tmp_path.iterdir(), key=lambda folder: int(folder.name)):
        is_missing, before = not (place / "folder").exists(), _names(place)
        sweep(place)
        unwanted = ["unwanted", "unwanted/a.txt", "unwanted/b.txt"] if (place / "unwanted").exists() else []
        assert _names(place) == ["file", "folder", "folder/a.txt", "folder/b.txt", *unwanted], place.name
        texts = {(place / "folder" / name).read_text(encoding="utf-8") for name in ("a.txt", "b.txt")}
        assert len(texts) == 1, "the files of a folder are all old or all new"
        found.append(((place / "file").read_text(encoding="utf-8"), *texts, is_missing))
        discarded.append(not unwanted)
        n_swept += before != _names(place)
    assert set(found) == {("old", "old", False), ("new", "old", False), ("new", "old", True), ("new", "new", False)}
    assert found == sorted(found, key=lambda one: (one[0] == "new", one[1] == "new")), "never old after new"
    assert discarded == sorted(discarded) and {True, False} == set(discarded), "complete or removed, never restored"
    assert len(found) > 30 and n_swept > 15


@contextmanager
def _running(script: str, place: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a process that prints "ready" and waits."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(place)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        yield process
        process.kill()


WRITING = """
import sys
from pathlib import Path
from ssmi.pipeline.contract.storage.replacing import replacing_folder, writing

place = Path(sys.argv[1])
with writing(place / "file") as temporary, replacing_folder(place / "folder") as fresh:
    temporary.write_text("new", encoding="utf-8")
    (fresh / "new.txt").write_text("new", encoding="utf-8")
    print("ready", flush=True)
    sys.stdin.readline()
"""


@REQUIRES_FORK
def test_temporary_files_of_a_running_process_are_kept(tmp_path: Path) -> None:
    with _running(WRITING, tmp_path) as process:
        before = _names(tmp_path)
        assert len(before) == 3
        sweep_below(tmp_path)
        with writing(tmp_path / "file") as temporary:
            temporary.write_text("mine", encoding="utf-8")
        assert _names(tmp_path) == sorted([*before, "file"])
        process.communicate("go on\n", timeout=600)
        assert process.returncode == 0
    assert _names(tmp_path) == ["file", "folder", "folder/new.txt"]


@REQUIRES_FORK
def test_remains_of_a_killed_process_are_removed_at_the_next_write(tmp_path: Path) -> None:
    for write in (writing, replacing_folder, temporary_folder):
        place = tmp_path / write.__name__
        place.mkdir()
        with _running(WRITING, place):
            pass
        assert len(_names(place)) == 3
        with write(place / "other"):
            pass
        assert _names(place) == ([] if write is temporary_folder else ["other"])


@REQUIRES_FORK
def test_remains_are_found_in_all_subfolders(tmp_path: Path) -> None:
    deep = tmp_path / "artifacts" / "train" / "run"
    deep.mkdir(parents=True)
    with _running(WRITING, deep):
        pass
    (tmp_path / "artifacts" / ".shards.0123456789abcdef.ssmi.old").mkdir()
    sweep_below(tmp_path)
    assert _names(tmp_path) == ["artifacts", "artifacts/shards", "artifacts/train", "artifacts/train/run"]


@pytest.mark.parametrize("name", [".a.tmp", ".a.123.tmp", "a.0123456789abcdef.ssmi.tmp", ".a.0123456789abcdef.tmp"])
def test_other_files_are_kept(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("not ours", encoding="utf-8")
    sweep_below(tmp_path)
    assert _names(tmp_path) == [name]


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "precious.txt").write_text("mine", encoding="utf-8")
    (tmp_path / ".a.0123456789abcdef.ssmi.tmp").symlink_to(other, target_is_directory=True)
    sweep(tmp_path)
    assert (other / "precious.txt").read_text(encoding="utf-8") == "mine"


def test_sweeping_a_missing_folder_is_no_error(tmp_path: Path) -> None:
    sweep(tmp_path / "nowhere")
    sweep_below(tmp_path / "nowhere")
    assert _names(tmp_path) == []

from __future__ import annotations

import hashlib
import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ssmi.pipeline.assets import cache
from ssmi.pipeline.contract.errors import InputDataError, SsmiError


class Maker:
    """Make an entry of two files and count the calls."""

    def __init__(self, body: bytes = b"vectors") -> None:
        self.body = body
        self.calls = 0

    def __call__(self, folder: Path) -> None:
        self.calls += 1
        (folder / "a.bin").write_bytes(self.body)
        (folder / "a.bin").chmod(0o600)
        (folder / "b.txt").write_text("b")


def test_an_entry_is_made_once_and_its_digests_are_recorded(cache_folder, reporter) -> None:
    make = Maker()
    first = cache.obtain("vectors", "tiny", "r1", make, reporter=reporter)
    assert cache.obtain("vectors", "tiny", "r1", make, reporter=reporter) == first == cache_folder / "vectors" / "tiny"
    assert make.calls == 1
    marker = json.loads((first / cache.MARKER).read_text())
    assert marker["files"]["a.bin"] == {"n_bytes": 7, "sha256": hashlib.sha256(b"vectors").hexdigest()}
    assert set(marker["files"]) == {"a.bin", "b.txt"}
    assert (first / "a.bin").stat().st_mode & 0o777 == 0o644, "a cache may be shared"


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "marker"])
def test_a_damaged_entry_is_made_again(damage: str, cache_folder, reporter) -> None:
    make = Maker(b"x" * (1 << 20))
    folder = cache.obtain("vectors", "tiny", "r1", make, reporter=reporter)
    assert cache.cached("vectors", "tiny", "r1") == folder
    file = folder / "a.bin"
    if damage == "truncate":
        file.write_bytes(make.body[:-1])
    elif damage == "flip":
        file.write_bytes(b"y" + make.body[1:])
    elif damage == "remove":
        file.unlink()
    else:
        (folder / cache.MARKER).write_text("{")
    assert cache.cached("vectors", "tiny", "r1") is None
    cache.obtain("vectors", "tiny", "r1", make, reporter=reporter)
    assert make.calls == 2
    assert file.read_bytes() == make.body
    assert any("made again" in note for note in reporter.notes)


def test_another_recipe_makes_the_entry_again(cache_folder, reporter) -> None:
    make = Maker()
    cache.obtain("vectors", "tiny", "r1", make, reporter=reporter)
    cache.obtain("vectors", "tiny", "r2", make, reporter=reporter)
    assert make.calls == 2
    assert cache.cached("vectors", "tiny", "r1") is None


def test_a_failure_leaves_no_entry_and_keeps_the_previous_one(cache_folder, reporter) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise InputDataError("broken off")

    with pytest.raises(InputDataError):
        cache.obtain("vectors", "tiny", "r1", fail, reporter=reporter)
    assert not list((cache_folder / "vectors").iterdir())
    folder = cache.obtain("vectors", "tiny", "r1", Maker(), reporter=reporter)
    with pytest.raises(InputDataError):
        cache.obtain("vectors", "tiny", "r2", fail, reporter=reporter)
    assert cache.cached("vectors", "tiny", "r1") == folder
    assert [path.name for path in (cache_folder / "vectors").iterdir()] == ["tiny"]


_RACER = """
import sys, time
from pathlib import Path
from ssmi.pipeline.assets import cache
from ssmi.pipeline.contract.progress import Silent

def make(folder):
    with open(sys.argv[1], "a") as log:
        log.write("made\\n")
    time.sleep(0.5)
    (folder / "a.bin").write_bytes(b"a")

print(cache.obtain("vectors", "tiny", "r1", make, reporter=Silent()))
"""


def test_two_processes_make_an_entry_once(cache_folder, tmp_path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", _RACER, str(log)]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [racer.communicate(timeout=600)[0] for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0]
    assert outputs[0] == outputs[1] and outputs[0].strip() == str(cache_folder / "vectors" / "tiny")
    assert log.read_text() == "made\n"


def test_a_cache_that_cannot_be_written_is_an_error(tmp_path, monkeypatch, reporter) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SSMI_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(SsmiError, match="cannot be written") as caught:
        cache.obtain("vectors", "tiny", "r1", Maker(), reporter=reporter)
    assert "SSMI_CACHE" in caught.value.next_step


def test_the_default_cache_is_that_of_the_platform(monkeypatch) -> None:
    monkeypatch.delenv("SSMI_CACHE", raising=False)
    assert cache.cache_root().is_absolute() and "ssmi" in cache.cache_root().parts


def test_a_new_cache_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reporter) -> None:
    monkeypatch.setenv("SSMI_CACHE", str(tmp_path / "new" / "cache"))
    cache.obtain("kind", "name", "recipe", Maker(), reporter=reporter)
    assert stat.S_IMODE((tmp_path / "new" / "cache").stat().st_mode) == 0o700
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    monkeypatch.setenv("SSMI_CACHE", str(shared))
    cache.obtain("kind", "name", "recipe", Maker(), reporter=reporter)
    assert stat.S_IMODE(shared.stat().st_mode) == 0o755  # an existing folder keeps its permissions

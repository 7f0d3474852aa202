"""A full disk, a file size limit, a read-only disk: one line, exit code 1, old output unchanged, no leftovers."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

resource = pytest.importorskip("resource")

COMMANDS: dict[str, tuple[str, ...]] = {
    "build": ("features", "build", "--force"),
    "shards with states": ("features", "shards", "-S", "shards.hidden=true"),
    "train": ("train", "-S", "train.epochs=1"),
    "ablate": ("ablate", "--only", "no-bert", "--seeds", "1", "-S", "train.epochs=1"),
    "adapt": ("encoder", "adapt", "--out", "{out}", "--epochs", "1"),
    "predict": ("predict", "--input", "text", "{text}", "--out", "{out}"),
    "export": ("export", "--out", "{out}"),
    "report": ("report", "--split", "dev", "--out", "{out}"),
    "convert": ("data", "convert", "{text}", "{out}", "--format", "jsonl"),
    "init": ("init", "{out}", "--data", "{text}"),
    "explain": ("explain", "北", "--segment", "北京", "--plot", "{out}.svg"),
    "dvc write": ("dvc", "write"),
}


def _files(root: Path) -> dict[str, str]:
    """Mapping from each file below a folder to its digest, without machine-specific files: locks, finished parts."""
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".ssmi" not in path.parts
    }


def _assert_one_line(code: int, stderr: str, *messages: str) -> None:
    assert code == 1, stderr
    lines = [line for line in stderr.splitlines() if line.startswith(("error: ", "  next: "))]
    assert len(lines) == 2 and "Traceback" not in stderr and "--debug" not in stderr, stderr
    assert not [text for text in (*messages, "error: /") if text not in "\n".join(lines)], stderr
    assert ".ssmi." not in stderr


@pytest.fixture(scope="module")
def trained(tagging_project: Any, copy_project: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A complete project, which no test changes."""
    project = copy_project(tagging_project, tmp_path_factory.mktemp("no-room"))
    (project.root / "text.bmes").write_text("京 S-LOC\n好 O\n\n" * 40, encoding="utf-8")
    return project


@pytest.mark.parametrize("name", COMMANDS)
def test_a_file_size_limit_is_reported_in_one_line(trained: Any, name: str) -> None:
    before = _files(trained.root)
    words = [word.format(text=trained.root / "text.bmes", out=trained.root / "new") for word in COMMANDS[name]]
    soft_limit, hard_limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard_limit))
    try:
        outcome = trained.ssmi(*words)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft_limit, hard_limit))
    _assert_one_line(outcome.code, outcome.stderr, "File too large", "ulimit -f")
    assert _files(trained.root) == before


# --- a separate small disk --------------------------------------------------------------------------------------------

ON_A_DISK = """
set -e
disk=$1 project=$2 kib=$3 mode=$4; shift 4
mount -t tmpfs -o size=256m none "$disk"
cp -a "$project" "$disk/project"
rm -rf "$disk/project/.ssmi"
cd "$disk/project"
if [ "$mode" = full ]; then
  head -c $(( ($(df --output=avail -k "$disk" | tail -1) - kib) * 1024 )) /dev/zero > "$disk/filler"
else
  mount -o remount,ro "$disk"
fi
listed() { find . -type f -not -path './.ssmi/*' -print0 | sort -z | xargs -0 sha256sum; }
listed > "$project.before"
set +e
"$@"
code=$?
listed > "$project.after"
exit $code
"""


def _can_mount() -> bool:
    return (
        shutil.which("unshare") is not None
        and not subprocess.run(
            ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
        ).returncode
    )


@pytest.mark.skipif(not _can_mount(), reason="needs permission to mount a small disk")
@pytest.mark.parametrize(
    ("mode", "name", "message"),
    [
        ("full", "build", "No space left on device"),
        # Written through a memory map, where a full disk would kill the process.
        ("full", "shards with states", "No space left on device"),
        ("full", "train", "No space left on device"),
        ("ro", "build", "Read-only file system"),
        ("ro", "train", "Read-only file system"),
    ],
)
def test_a_full_or_read_only_disk_is_reported_in_one_line(
    trained: Any, tmp_path: Path, mode: str, name: str, message: str
) -> None:
    disk, project = tmp_path / "disk", tmp_path / "project"
    disk.mkdir()
    shutil.copytree(trained.root, project)
    command = [sys.executable, "-m", "ssmi.cli.main", *COMMANDS[name]]
    completed = subprocess.run(
        ["unshare", "-m", "bash", "-c", ON_A_DISK, "bash", str(disk), str(project), "100", mode, *command],
        env={**trained.environment, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    _assert_one_line(completed.returncode, completed.stderr, message, "name another place")
    before, after = (Path(f"{project}.{suffix}").read_text(encoding="utf-8") for suffix in ("before", "after"))
    assert before == after and before.count("\n") > 50

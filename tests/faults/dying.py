"""``ssmi-cli`` that is killed at its n-th file operation below a folder: ``dying.py N FOLDER COUNT ARGUMENTS...``.

N 0 kills nothing. How many operations there were is written to the file COUNT at the end.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

EVENTS = frozenset({"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.link", "shutil.rmtree"})


def main(nth: int, folder: str, count: Path, arguments: list[str]) -> None:
    """Run the command; the main process alone counts."""
    done, process = 0, os.getpid()

    def die(event: str, details: tuple[object, ...]) -> None:
        nonlocal done
        if event not in EVENTS or not details or os.getpid() != process:
            return
        place = os.fspath(details[0]) if isinstance(details[0], str | os.PathLike) else b""
        reads = event == "open" and details[1] in ("r", "rb")
        if reads or not isinstance(place, str) or not str(Path.cwd() / place).startswith(folder):
            return
        done += 1
        if done == nth:
            os.kill(process, signal.SIGKILL)

    sys.argv = ["ssmi-cli", *arguments]
    from ssmi.cli.main import main as program

    sys.addaudithook(die)
    try:
        program()
    finally:
        count.write_text(str(done), encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4:])

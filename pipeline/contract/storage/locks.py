"""One process at a time: a lock that ends with its process, and that says to others who has it."""

from __future__ import annotations

import errno
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ssmi.pipeline.contract.errors import SsmiError
from ssmi.pipeline.contract.progress import Reporter
from ssmi.pipeline.contract.storage.own_folders import make_own

_NOTICED_SECONDS = 1.0
"""A shorter wait is not told."""
_LONGEST_COMMAND = 200
_CANNOT_BE_WRITTEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@contextmanager
def locked(path: Path, *, what: str, reporter: Reporter, instead: str = "") -> Iterator[None]:
    """Hold a lock; where another process has it, say which that is, and wait for it, or with ``instead`` give up.

    Nobody is kept out where the lock's folder cannot be written: nobody could be told.

    Args:
        path: The lock's file, ``ROOT/locks/NAME``, of which both folders are made for their owner alone; it stays.
            Beside it lies who holds it.
        what: What is being done under it, for the message: ``the features of this project are being built``.
        reporter: Told whom this process waits for.
        instead: What a person can do, where waiting would be wrong.

    Raises:
        SsmiError: Another process has it, and there is something to do ``instead``; or another user made a folder.
        OSError: The disk is full.
    """
    lock = FileLock(path)
    try:
        make_own(path.parent, root=path.parent.parent)
        lock.acquire(timeout=_NOTICED_SECONDS)
    except Timeout:
        if instead:
            raise SsmiError(f"{what} by {_holder(path)}", next_step=instead) from None
        reporter.note(f"waiting: {what} by {_holder(path)}")
        lock.acquire()
    except OSError as error:
        if error.errno not in _CANNOT_BE_WRITTEN:
            raise
        yield
        return
    try:
        _say_who(path)
        yield
    finally:
        lock.release()


def _place(path: Path) -> Path:
    return path.with_suffix(".holder")


def _say_who(path: Path) -> None:
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    with suppress(OSError, UnicodeError):  # it only helps a message
        text = f"process {os.getpid()}: {command[:_LONGEST_COMMAND]}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
        with os.fdopen(os.open(_place(path), flags, 0o600), "w", encoding="utf-8") as stream:
            stream.write(text)


def _holder(path: Path) -> str:
    try:
        text = _place(path).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return "another process"
    # Whoever may write there must not reach the terminal with it.
    return "".join(letter if letter.isprintable() else "?" for letter in text)

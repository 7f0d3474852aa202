"""Locks between processes: a lock ends with its process, and tells other processes who holds it."""

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
from ssmi.pipeline.contract.storage.own_folders import make_private

_NOTICED_SECONDS = 1.0
"""Time to wait for a lock before the wait is reported."""
_LONGEST_COMMAND = 200
_CANNOT_BE_WRITTEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@contextmanager
def locked(path: Path, *, what: str, reporter: Reporter, next_step_if_held: str = "") -> Iterator[None]:
    """Hold a lock. If another process holds it, report that process and wait, or raise an error.

    If the lock's folder cannot be written, the block runs without a lock, because other processes could not see it.

    Args:
        path: The lock's file, ``ROOT/locks/NAME``, which is not removed. Both folders are created for their owner
            only. A file beside it names the holder.
        what: What is done under the lock, for the message: ``the features of this project are being built``.
        reporter: Receives a note about the process that is waited for.
        next_step_if_held: What the user can do instead of waiting; empty to wait.

    Raises:
        SsmiError: Another process holds the lock and ``next_step_if_held`` is given, or another user created one of the
            folders.
        OSError: The lock's file cannot be created, for example because the disk is full.
    """
    lock = FileLock(path)
    try:
        make_private(path.parent, root=path.parent.parent)
        lock.acquire(timeout=_NOTICED_SECONDS)
    except Timeout:
        if next_step_if_held:
            raise SsmiError(f"{what} by {_holder(path)}", next_step=next_step_if_held) from None
        reporter.note(f"waiting: {what} by {_holder(path)}")
        lock.acquire()
    except OSError as error:
        if error.errno not in _CANNOT_BE_WRITTEN:
            raise
        yield
        return
    try:
        _write_holder(path)
        yield
    finally:
        lock.release()


def _holder_file(path: Path) -> Path:
    return path.with_suffix(".holder")


def _write_holder(path: Path) -> None:
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    with suppress(OSError, UnicodeError):  # the file only serves a message
        text = f"process {os.getpid()}: {command[:_LONGEST_COMMAND]}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
        with os.fdopen(os.open(_holder_file(path), flags, 0o600), "w", encoding="utf-8") as stream:
            stream.write(text)


def _holder(path: Path) -> str:
    try:
        text = _holder_file(path).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return "another process"
    # Whoever can write to this file must not be able to control the terminal.
    return "".join(letter if letter.isprintable() else "?" for letter in text)

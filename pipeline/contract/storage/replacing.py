"""Atomic writing of files and folders, and removal of what killed processes leave behind.

Until it is complete, ``NAME`` is called ``.NAME.TOKEN.ssmi.tmp`` and lies in its final folder, because a rename is
atomic only within one file system. The token cannot be guessed, and no existing file is opened under that name. The
writing process holds a lock on it (``flock``), which ends with the process in any case. A temporary name without a lock
was left by a dead process, and is removed when something is next written beside it or a project is opened.

A folder cannot be renamed over another, so the old one is called ``.NAME.TOKEN.ssmi.old`` for a moment. If the process
is killed in that moment, there is no ``NAME``; the old folder gets its name back on the same occasions.

Data is on disk (``fsync``) before it gets its final name, so it is complete even after a power failure.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl

_TMP, _OLD = ".tmp", ".old"
_LEFT = re.compile(r"^\.(.+)\.[0-9a-f]{16}\.ssmi(\.tmp|\.old)$")
_LONGEST_NAME = 50
"""Letters of a file's name kept in its temporary name: a name may have 255 bytes, and a letter may take four."""
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield a temporary file beside ``path`` that becomes ``path`` if the block succeeds and is removed if it fails.

    An OSError that names no file, as when writing to an open file fails, then names ``path``.
    """
    with adding_filename(path), _writing(path) as temporary:
        yield temporary


@contextmanager
def _writing(path: Path) -> Iterator[Path]:
    sweep(path.parent)
    temporary, descriptor = _new_file(path)
    try:
        try:
            yield temporary
            os.fsync(descriptor)  # before the rename: raises an error if the disk is full
        finally:
            if sys.platform == "win32":
                os.close(descriptor)  # an open file cannot be renamed on Windows
        temporary.replace(path)
        fsync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
        if sys.platform != "win32":
            os.close(descriptor)


@contextmanager
def temporary_folder(folder: Path) -> Iterator[Path]:
    """Yield a new empty folder beside ``folder``, accessible to its owner only; whatever is left of it is removed.

    An OSError that names no file then names ``folder``.
    """
    with adding_filename(folder), _temporary_folder(folder) as fresh:
        yield fresh


@contextmanager
def _temporary_folder(folder: Path) -> Iterator[Path]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    sweep(folder.parent)
    fresh, descriptor = _new_folder(folder)
    try:
        yield fresh
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        _let_go(descriptor)


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty sibling folder that replaces ``folder`` if the block succeeds; on failure nothing changes."""
    with temporary_folder(folder) as fresh:
        yield fresh
        fresh.chmod(0o755)
        for inner, _, names in os.walk(fresh):
            for name in names:
                _fsync(Path(inner, name))
            fsync_folder(Path(inner))
        _swap(fresh, folder)


def discard(folder: Path) -> None:
    """Remove a folder if it exists; a process killed meanwhile leaves it whole, or under a name that is swept."""
    gone = _temporary_name(folder)
    with suppress(FileNotFoundError):
        folder.rename(gone)
        _remove(gone)


def reserve(path: Path) -> None:
    """Reserve disk space for a file of its current size, before it is filled through a memory map.

    A write through a memory map to a full disk kills the process (SIGBUS). Raises OSError if there is no space.
    """
    if hasattr(os, "posix_fallocate") and path.stat().st_size:
        descriptor = os.open(path, os.O_RDWR | _NO_LINKS)
        try:
            os.posix_fallocate(descriptor, 0, path.stat().st_size)
        finally:
            os.close(descriptor)


@contextmanager
def adding_filename(path: Path) -> Iterator[None]:
    """Make an OSError that names no file, as when writing to an open file fails, name ``path``."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise


def _swap(fresh: Path, folder: Path) -> None:
    old = fresh.with_suffix(_OLD)
    # Held too, so that no process takes it for the remains of a dead one.
    descriptor = _hold(folder)
    try:
        try:
            with suppress(FileNotFoundError):  # there is no old folder
                folder.rename(old)
            fresh.rename(folder)
        finally:
            if os.path.lexists(old) and not os.path.lexists(folder):
                old.rename(folder)
        fsync_folder(folder.parent)
        # The new folder is in place, so failing to remove the old one is not an error.
        _remove(old)
    finally:
        _let_go(descriptor)


def sweep(folder: Path) -> None:
    """Remove what dead processes left half written in a folder, and give a folder that they moved away its name back.

    Whatever cannot be removed stays, and so does whatever may belong to a live process, where that cannot be determined
    (a file system without locks, a folder owned by others).
    """
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
    except OSError:
        return
    for name in names:
        left = _LEFT.match(name) if name.endswith((_TMP, _OLD)) else None
        if left is not None:
            _sweep_one(folder / name, folder / left[1], moved=left[2] == _OLD)


def sweep_below(folder: Path) -> None:
    """``sweep`` a folder and every folder below it."""
    for inner, names, _ in os.walk(folder):
        sweep(Path(inner))
        # Temporary folders that remain may be in use: do not descend into them.
        names[:] = [name for name in names if not _LEFT.match(name)]


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Protect an existing folder from ``remove_unheld`` in any process while the block runs."""
    descriptor = _hold(folder)
    try:
        yield
    finally:
        _let_go(descriptor)


def remove_unheld(folder: Path) -> bool:
    """Remove a folder that no process holds; return whether it was removed. Without working locks, it stays."""
    if sys.platform == "win32" or folder.is_symlink():
        return False
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | _NO_LINKS)
        try:
            if _is_free(descriptor):
                shutil.rmtree(folder, ignore_errors=True)
                return not folder.exists()
        finally:
            os.close(descriptor)
    return False


def final_path(path: Path) -> Path:
    """Replace the temporary names in a path by the final names, as a person knows them."""
    return Path(*(_LEFT.sub(r"\1", part) for part in path.parts))


def _sweep_one(path: Path, place: Path, *, moved: bool) -> None:
    with suppress(OSError):
        descriptor = os.open(path, (os.O_RDONLY if path.is_dir() else os.O_RDWR) | _NO_LINKS)
        try:
            if sys.platform == "win32" or not _is_free(descriptor):
                return
            if moved and not os.path.lexists(place):
                path.rename(place)
            else:
                _remove(path)
        finally:
            os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _new_file(path: Path) -> tuple[Path, int]:
    """Create an empty file; return its path and the descriptor that holds it."""
    while True:
        temporary = _temporary_name(path.with_name(path.name[:_LONGEST_NAME]))
        # Not tempfile, whose files only their owner can access: this file gets the usual permissions.
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NO_LINKS, 0o666)
        _lock(descriptor)
        if temporary.exists():  # it was not swept before it was locked
            return temporary, descriptor
        os.close(descriptor)


def _new_folder(folder: Path) -> tuple[Path, int | None]:
    while True:
        fresh = _temporary_name(folder)
        fresh.mkdir(0o700)
        descriptor = _hold(fresh)
        if fresh.is_dir():
            return fresh, descriptor
        _let_go(descriptor)


def _temporary_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.ssmi{_TMP}")


def _hold(folder: Path) -> int | None:
    """Return a descriptor that holds a folder; None if the folder cannot be opened."""
    if sys.platform == "win32":
        return None
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        _lock(descriptor)
        return descriptor
    return None


def _lock(descriptor: int) -> None:
    """Take a shared lock, which shows all other processes that this one has the file open."""
    if sys.platform != "win32":
        with suppress(OSError):  # a file system without locks, where nothing is swept either
            fcntl.flock(descriptor, fcntl.LOCK_SH)


def _is_free(descriptor: int) -> bool:
    """Whether no process holds the file; raises OSError if that cannot be determined."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _let_go(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)


def _fsync(path: Path) -> None:
    """Flush a file to disk; raises OSError as writing does."""
    descriptor = os.open(path, os.O_RDONLY if sys.platform != "win32" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_folder(folder: Path) -> None:
    """Flush the names in a folder to disk, if the file system supports it."""
    if sys.platform != "win32":
        with suppress(OSError):
            _fsync(folder)

"""Read packed files without writing to disk: gzip, bzip2, xz, and the member of a zip or tar that holds vectors."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.lexicon.word_vectors.format_detection import START

MAX_MEMBERS = 1000
MAX_RATIO = 200
RATIO_FROM = 1 << 26
"""Vectors compress to a third or a tenth. A file that unpacks to over 64 MiB and over 200 times its size is a bomb."""

_MAX_NESTING = 3
# Above START, because ``peek`` returns no more bytes than the buffer holds.
_BUFFER = 1 << 18
_NOT_READ = ((b"\x28\xb5\x2f\xfd", "zstd"), (b"7z\xbc\xaf\x27\x1c", "7z"), (b"Rar!\x1a\x07", "rar"))
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_NO_MEMBER = re.compile(r"(^|/)(__MACOSX/.*|\.[^/]*)$")

_COMPRESSED: tuple[tuple[re.Pattern[bytes], str, Callable[..., Any]], ...] = (
    (re.compile(rb"\x1f\x8b"), "gzip", gzip.open),
    (re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"), "bzip2", bz2.open),
    (re.compile(rb"\xfd7zXZ\x00"), "xz", lzma.open),
)

Plausible = Callable[[bytes], bool]


@dataclass(frozen=True)
class Unpacked:
    """An unpacked stream, positioned at its start, and its origin."""

    path: Path
    stream: io.BufferedReader
    container: str
    """How the file is packed, such as ``bzip2`` or ``tar in gzip``; empty for a plain file."""
    member: str
    """Name of the member that is read from a zip or tar; otherwise empty."""
    passed_over: tuple[str, ...] = ()
    """Names of the other members of the zip or tar."""

    @property
    def display_name(self) -> str:
        """The name used in messages: the path, followed by the member if there is one."""
        return f"{self.path}/{self.member}" if self.member else str(self.path)

    def peek(self) -> bytes:
        """Return the first bytes, at most ``START``, without consuming them."""
        return self.stream.peek(START)[:START]

    def damaged(self, error: Exception) -> InputDataError:
        """Make the error for a file that a library could not unpack."""
        return InputDataError(f"{self.display_name}: truncated or damaged ({error})", next_step="fetch it again")


@contextmanager
def unpacked(path: Path, *, plausible: Plausible) -> Iterator[Unpacked]:
    """Open a file, packed or plain, and yield its unpacked stream.

    Args:
        path: The file.
        plausible: Predicate on the first bytes of a member: whether it may hold vectors.

    Raises:
        InputDataError: Not exactly one member of the archive is plausible, the container is not supported, or the
            content unpacks to an absurd size.
    """
    with ExitStack() as stack:
        stream, names = _through(_plain(path, stack), path, stack)
        start = stream.peek(START)
        if start.startswith(_ZIP):
            if names:
                raise _refused(path, f"a zip in {' in '.join(names)}")
            file = _from_zip(path, stack, plausible)
        # A tar has its signature not at the start but inside the first member's header.
        elif start[257:262] == b"ustar":
            file = _from_tar(path, names, stack, plausible)
        else:
            unread = next((name for mark, name in _NOT_READ if start.startswith(mark)), None)
            if unread:
                raise _refused(path, unread)
            file = Unpacked(path, stream, " in ".join(names), "")
        yield file


def _plain(path: Path, stack: ExitStack) -> io.BufferedReader:
    return stack.enter_context(io.BufferedReader(stack.enter_context(path.open("rb", buffering=0)), _BUFFER))


def _through(stream: io.BufferedReader, path: Path, stack: ExitStack) -> tuple[io.BufferedReader, list[str]]:
    """Unwrap every compressor around a stream; also return the compressors' names, the innermost first."""
    names: list[str] = []
    for _ in range(_MAX_NESTING):
        start = stream.peek(START)
        packed = next(((name, opened) for mark, name, opened in _COMPRESSED if mark.match(start)), None)
        if packed is None:
            break
        names.insert(0, packed[0])
        stream = _bounded(stack.enter_context(closing(packed[1](stream, "rb"))), path)
    return stream, names


class _Bounded(io.RawIOBase):
    """The unpacked content of a file, refused beyond an absurd size.

    Reads fill the whole buffer, except at the end of the content, so that ``peek`` sees enough bytes.
    """

    def __init__(self, inner: IO[bytes], path: Path) -> None:
        self._inner = inner
        self._path = path
        self._max_bytes = max(RATIO_FROM, MAX_RATIO * path.stat().st_size)
        self._done = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        filled = 0
        while filled < len(buffer):
            data = self._inner.read(len(buffer) - filled)
            if not data:
                break
            buffer[filled : filled + len(data)] = data
            filled += len(data)
        self._done += filled
        if self._done > self._max_bytes:
            raise InputDataError(
                f"{self._path}: unpacks to over {MAX_RATIO} times its size, which no vectors do",
                next_step="unpack it yourself if you trust it, and name the unpacked file",
            )
        return filled


def _bounded(inner: IO[bytes], path: Path) -> io.BufferedReader:
    return io.BufferedReader(_Bounded(inner, path), _BUFFER)


def _from_zip(path: Path, stack: ExitStack, plausible: Plausible) -> Unpacked:
    try:
        return _from_named_members(path, stack, plausible)
    except UnicodeDecodeError as error:  # zipfile decodes names, here and when it opens a member
        raise zipfile.BadZipFile("a name in it is said to be UTF-8 and is not") from error


def _from_named_members(path: Path, stack: ExitStack, plausible: Plausible) -> Unpacked:
    archive = stack.enter_context(zipfile.ZipFile(path))
    # A damaged archive may hold a member without a name.
    members = [info for info in archive.infolist() if info.filename and not info.is_dir() and info.file_size]
    locked = [info.filename for info in members if info.flag_bits & 1]
    if locked:
        raise _refused(path, f"{locked[0]} in it needs a password")
    names = _worth_a_look([info.filename for info in members], path)

    def start_of(name: str) -> bytes:
        with ExitStack() as inner_stack:
            inner = _bounded(inner_stack.enter_context(archive.open(name)), path)
            return _through(inner, path, inner_stack)[0].peek(START)

    chosen = _the_one({name: start_of for name in names}, path, plausible)
    stream, packed = _through(_bounded(stack.enter_context(archive.open(chosen)), path), path, stack)
    others = tuple(name for name in names if name != chosen)
    return Unpacked(path, stream, " in ".join([*packed, "zip"]), chosen, others)


def _from_tar(path: Path, around: list[str], stack: ExitStack, plausible: Plausible) -> Unpacked:
    """Open the plausible member of a tar. The tar is read twice from its start, because it has no list of members."""
    starts: dict[str, bytes] = {}
    with ExitStack() as first_pass:
        stream, _ = _through(_plain(path, first_pass), path, first_pass)
        for name, inner in _tar_members(stream, first_pass):
            starts[name] = _through(_bounded(inner, path), path, first_pass)[0].peek(START)
            if len(starts) > MAX_MEMBERS:
                break
    names = _worth_a_look(list(starts), path)
    chosen = _the_one({name: starts.__getitem__ for name in names}, path, plausible)
    stream, _ = _through(_plain(path, stack), path, stack)
    inner = next(inner for name, inner in _tar_members(stream, stack) if name == chosen)
    stream, packed = _through(_bounded(inner, path), path, stack)
    others = tuple(name for name in names if name != chosen)
    return Unpacked(path, stream, " in ".join([*packed, "tar", *around]), chosen, others)


def _tar_members(stream: IO[bytes], stack: ExitStack) -> Iterator[tuple[str, IO[bytes]]]:
    # As a stream without seeking, because the tar may be compressed.
    archive = stack.enter_context(tarfile.open(fileobj=stream, mode="r|"))  # noqa: SIM115
    for info in archive:
        inner = archive.extractfile(info) if info.isfile() and info.size else None
        if inner is not None:
            yield info.name, inner


def _worth_a_look(names: list[str], path: Path) -> list[str]:
    if len(names) > MAX_MEMBERS:
        raise _refused(path, f"over {MAX_MEMBERS} files in it")
    return [name for name in names if not _NO_MEMBER.search(name)]


def _the_one(starts: dict[str, Callable[[str], bytes]], path: Path, plausible: Plausible) -> str:
    """Return the name of the member that holds vectors: the only member, or the only plausible one."""
    candidates = list(starts)
    if len(candidates) > 1:
        candidates = [name for name, start in starts.items() if plausible(start(name))]
    if len(candidates) == 1:
        return candidates[0]
    listed = ", ".join(sorted(candidates or starts)[:10]) or "nothing"
    what = f"{len(candidates)} files in it may hold vectors" if candidates else "no file in it holds vectors"
    raise _refused(path, f"{what} ({listed})")


def _refused(path: Path, why: str) -> InputDataError:
    return InputDataError(f"{path}: {why}", next_step="unpack it and name the file that holds the vectors")

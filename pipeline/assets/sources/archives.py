"""Read one regular file from a zip (a wheel) or tar archive; no other member is read or written anywhere."""

from __future__ import annotations

import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ssmi.pipeline.contract.errors import InputDataError

_BLOCK = 1 << 20
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError)


def read_member(archive: Path, member: str, *, max_bytes: int) -> Iterator[bytes]:
    """Yield the blocks of one regular file inside an archive.

    Raises:
        InputDataError: The archive is damaged, or the member is missing, not a regular file, or over ``max_bytes``.
    """
    left = max_bytes
    try:
        with _open_member(archive, member, max_bytes) as stream:
            while block := stream.read(_BLOCK):
                left -= len(block)
                if left < 0:
                    raise InputDataError(f"{archive}: {member} is over {max_bytes} bytes", next_step="do not use it")
                yield block
    # RuntimeError: a member is marked as encrypted; UnicodeDecodeError: a name is marked as UTF-8 but is not.
    except (*_DAMAGE, UnicodeDecodeError, RuntimeError) as error:
        raise InputDataError(f"{archive}: damaged ({error})", next_step="remove it and fetch it again") from error


@contextmanager
def _open_member(archive: Path, member: str, max_bytes: int) -> Iterator[IO[bytes]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as bundle:
            entry = next((entry for entry in bundle.infolist() if entry.filename == member), None)
            # The upper half of external_attr is the Unix mode, which identifies a link.
            mode = entry.external_attr >> 16 if entry else 0
            _admit(archive, member, entry.file_size if entry else None, max_bytes, regular=not stat.S_ISLNK(mode))
            with bundle.open(member) as stream:
                yield stream
        return
    with tarfile.open(archive) as tar:
        info = next((info for info in tar if info.name == member), None)
        _admit(archive, member, info.size if info else None, max_bytes, regular=info is not None and info.isreg())
        content = tar.extractfile(info) if info is not None else None
        if content is None:
            raise tarfile.ReadError(f"{member} cannot be read")
        with content:
            yield content


def _admit(archive: Path, member: str, size: int | None, max_bytes: int, *, regular: bool) -> None:
    if size is None:
        reason = "is not in it"
    elif not regular:
        reason = "is not a regular file"
    elif size > max_bytes:
        reason = f"is {size} bytes, over {max_bytes}"
    else:
        return
    raise InputDataError(f"{archive}: {member} {reason}", next_step="remove it and fetch it again")

"""Files of one folder in any storage that fsspec has a driver for. The only importer of fsspec.

Names of files are relative to the folder, with slashes. Keys and passwords are the driver's matter, which reads them
from its own environment variables and files (``AWS_ACCESS_KEY_ID``, ``GOOGLE_APPLICATION_CREDENTIALS``, ...).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import fsspec
from fsspec.core import url_to_fs

from ssmi.pipeline.contract import extras
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError, SsmiError, nearest
from ssmi.pipeline.remote.addresses import check_url, scheme_of

PACKAGES: Mapping[str, str] = {
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "adl": "adlfs",
    "oss": "ossfs",
    "oci": "ocifs",
    "sftp": "paramiko",
    "ssh": "paramiko",
    "smb": "smbprotocol",
    "http": "aiohttp",
    "https": "aiohttp",
}
"""Scheme → what pip installs for it, of those whose error does not name it so that pip understands it."""
_WHOLE = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "adl", "oss", "oci", "memory"})
"""Schemes where a file appears whole or not at all, and needs no folder. Elsewhere it is written under another name."""
_BY_FOLDERS = frozenset({"file", "local", "sftp", "ssh", "smb"})
"""Schemes with folders. Drivers leave out those that cannot be read when they list all below one, so this is done here.
"""
_VERSION_KEYS = ("size", "ETag", "etag", "md5Hash", "generation", "content_md5", "mtime", "LastModified", "created")
"""What drivers tell of a file that changes when the file does."""


class RemoteFolder:
    """A folder in storage. Every method raises MissingResourceError where the storage cannot be used."""

    def __init__(self, url: str, *, what: str = "storage") -> None:
        """``what``: whose value the URL is, for messages. Raises ParameterError for one that cannot be opened."""
        self.url = check_url(url, what=what)
        self._scheme = scheme_of(self.url)
        self._fs, self._path = _open(self.url, self._scheme, what)

    def __str__(self) -> str:
        """The URL."""
        return self.url

    def check(self, *, for_workers: bool) -> None:
        """Refuse storage before hours of work for it.

        Args:
            for_workers: Whether other machines are to use it too.

        Raises:
            ParameterError: Other processes do not see it.
            MissingResourceError: Nothing can be written there.
        """
        probe = f".ssmi-probe-{secrets.token_hex(8)}"  # a name that no file of the user's has
        with self._explaining(""):
            with self._target(probe) as path:
                self._fs.pipe_file(path, b"")
            self._fs.rm_file(self._join(probe))
        if for_workers and self._scheme == "memory":
            raise ParameterError(
                f"{self.url}: lies in the memory of one process, and workers are others",
                next_step="use a bucket, or file:///FOLDER that all machines share",
            )

    def check_there(self) -> None:
        """Refuse storage that holds nothing before it is taken for a whole one.

        Raises:
            MissingResourceError: There is no such folder, it is a file, or it cannot be used.
        """
        with self._explaining(""):
            info = self._info()
        if info is None or info["type"] != "directory":
            raise MissingResourceError(
                f"{self.url}: {'nothing is there' if info is None else 'a file, and no folder'}",
                next_step="check the URL; features build makes the folder and sends the features",
            )

    def read(self, name: str) -> bytes | None:
        """The content of a file; None where there is none."""
        with self._explaining(name):
            try:
                content: bytes = self._fs.cat_file(self._join(name))
            except (FileNotFoundError, IsADirectoryError):
                return None
            return content

    def read_many(self, names: Iterable[str]) -> dict[str, bytes]:
        """The contents of several files, fetched at once where the driver can; without those that are not there."""
        by_path = {self._join(name): name for name in names}
        if not by_path:
            return {}
        with self._explaining(""):
            found: dict[str, Any] = self._fs.cat(list(by_path), on_error="return")
        contents = {}
        for path, content in found.items():
            if isinstance(content, Exception) and not isinstance(content, FileNotFoundError):
                with self._explaining(by_path[path]):
                    raise content
            if isinstance(content, bytes):
                contents[by_path[path]] = content
        return contents

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all."""
        with self._explaining(name), self._target(name) as path:
            self._fs.pipe_file(path, content)

    def put(self, file: Path, name: str) -> None:
        """Copy a file of this machine there, whole or not at all."""
        with self._explaining(name), self._target(name) as path:
            self._fs.put_file(str(file), path)

    def get(self, name: str, file: Path) -> bool:
        """Copy a file to one of this machine; False where there is none."""
        with self._explaining(name):
            try:
                self._fs.get_file(self._join(name), str(file))
            except (FileNotFoundError, IsADirectoryError):
                return False
        return True

    def sizes(self, below: str = "") -> dict[str, int]:
        """Every file below a folder: name, relative to this one, → bytes."""
        return {name: int(info["size"]) for name, info in self._find(below).items()}

    def versions(self, below: str = "") -> dict[str, str]:
        """Every file below a folder, or the file of this name: name → what changes with it, as the driver tells it."""
        return {
            name: " ".join(f"{key}={info[key]}" for key in _VERSION_KEYS if info.get(key) is not None)
            for name, info in self._find(below).items()
        }

    def remove(self, below: str) -> None:
        """Remove a folder with all that lies below it; what is not there is no error."""
        with self._explaining(below), suppress(FileNotFoundError):
            self._fs.invalidate_cache()
            self._fs.rm(self._join(below), recursive=True)

    def remove_file(self, name: str) -> None:
        """Remove one file, and nothing where a folder is called so; what is not there is no error."""
        with self._explaining(name), suppress(FileNotFoundError):
            self._fs.rm_file(self._join(name))

    def _find(self, below: str) -> dict[str, Mapping[str, Any]]:
        with self._explaining(below):
            self._fs.invalidate_cache()  # others write there too
            found = self._walk(self._join(below))
        return {path.removeprefix(self._path).lstrip("/"): found[path] for path in sorted(found)}

    def _walk(self, path: str) -> dict[str, Mapping[str, Any]]:
        found: dict[str, Mapping[str, Any]] = {}
        if self._scheme not in _BY_FOLDERS:
            with suppress(FileNotFoundError):
                found = self._fs.find(path, detail=True)
            if not found:
                self._info()  # of a driver that takes its own failures for an empty folder, this raises
            return found
        folders = [path]
        while folders:
            with suppress(FileNotFoundError):  # others remove folders meanwhile
                for info in self._fs.ls(folders.pop(), detail=True):
                    if info["type"] == "directory":
                        folders.append(info["name"])
                    else:
                        found[info["name"]] = info
        return found

    def _info(self) -> Mapping[str, Any] | None:
        try:
            info: Mapping[str, Any] = self._fs.info(self._path)
        except FileNotFoundError:
            return None
        return info

    @contextmanager
    def _target(self, name: str) -> Iterator[str]:
        path = self._join(name)
        if self._scheme in _WHOLE:
            yield path
            return
        folder, _, last = path.rpartition("/")
        self._fs.makedirs(folder, exist_ok=True)
        temporary = f"{folder}/.{last[:50]}.{secrets.token_hex(8)}.tmp"
        try:
            yield temporary
            self._fs.mv(temporary, path)
        except BaseException:
            with suppress(Exception):
                self._fs.rm_file(temporary)
            raise

    def _join(self, name: str) -> str:
        return f"{self._path}/{name}" if name else self._path

    @contextmanager
    def _explaining(self, name: str) -> Iterator[None]:
        """Each driver has errors of its own: one line for all of them."""
        try:
            yield
        except SsmiError:
            raise
        except Exception as error:
            text = " ".join(f"{type(error).__name__}: {error}".split())
            raise MissingResourceError(
                f"{self.url}{f'/{name}' if name else ''}: cannot be used ({text[:300]})",
                next_step="check the URL, the network, and the driver's keys in the environment"
                " (docs/guides/storage.md), and run the same again",
            ) from error


@lru_cache(maxsize=16)
def open_folder(url: str, *, what: str = "storage") -> RemoteFolder:
    """The folder, opened once a process; raises as ``RemoteFolder``."""
    return RemoteFolder(url, what=what)


def _open(url: str, scheme: str, what: str) -> tuple[Any, str]:
    try:
        fsspec.get_filesystem_class(scheme)
        # Not from lists that were fetched once: other processes write there too.
        filesystem, path = url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        if scheme in ("s3", "s3a"):
            raise extras.missing("s3", f"{what} {url}") from error
        install = f"pip install '{PACKAGES[scheme]}'" if scheme in PACKAGES else str(error)
        raise MissingResourceError(f"{what} {url}: its driver is not installed", next_step=install) from error
    except Exception as error:
        known = fsspec.available_protocols()
        if isinstance(error, ValueError) and scheme not in known:
            raise ParameterError(
                f"{what} {url}: no storage is called {scheme}",
                next_step=nearest(scheme, known, listed=["file", "memory", "s3", *PACKAGES]),
            ) from None
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise MissingResourceError(
            f"{what} {url}: cannot be opened ({text[:300]})",
            next_step="check the URL and the driver's keys in the environment (docs/guides/storage.md)",
        ) from error
    return filesystem, path.rstrip("/")

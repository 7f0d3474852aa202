"""Access to the files of a folder in any storage that fsspec has a driver for. The only module that imports fsspec.

Names of files are relative to the folder, with slashes. Drivers read keys and passwords themselves, from their own
environment variables and files (``AWS_ACCESS_KEY_ID``, ``GOOGLE_APPLICATION_CREDENTIALS``, ...).
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
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError, SsmiError, name_hint
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
"""Driver packages by scheme, for the schemes whose error message does not name a package that pip can install."""
_WHOLE = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "adl", "oss", "oci", "memory"})
"""Schemes whose writes are atomic and need no parent folder. Elsewhere files are written to a temporary name first."""
_BY_FOLDERS = frozenset({"file", "local", "sftp", "ssh", "smb"})
"""Schemes with folders. Their recursive listings omit unreadable folders silently, so ``_walk`` lists each folder."""
_VERSION_KEYS = (
    *("ETag", "etag", "md5Hash", "generation", "content_md5", "Content-MD5", "Digest", "sha"),
    *("mtime", "LastModified", "Last-Modified", "last_modified", "modified", "modify", "created"),
)
"""Metadata keys of the drivers whose values change when the file changes, whatever its size."""


class RemoteFolder:
    """A folder in storage. Every method raises MissingResourceError if the storage cannot be used."""

    def __init__(self, url: str, *, what: str = "storage") -> None:
        """Open the folder.

        Args:
            url: URL of the folder.
            what: The parameter that names the URL, for messages.

        Raises:
            ParameterError: The URL is refused by ``check_url``, or no storage has its scheme.
            MissingResourceError: The driver is not installed, or the storage cannot be opened.
        """
        self.url = check_url(url, what=what)
        self._scheme = scheme_of(self.url)
        self._fs, self._path = _open(self.url, self._scheme, what)

    def __str__(self) -> str:
        """Return the URL."""
        return self.url

    def check(self, *, for_workers: bool) -> None:
        """Check that the storage is writable, before hours of work are spent on it.

        Args:
            for_workers: Whether workers on other machines must be able to use it too.

        Raises:
            ParameterError: Other processes cannot see the storage.
            MissingResourceError: The storage cannot be written to.
        """
        probe = f".ssmi-probe-{secrets.token_hex(8)}"  # a name that no file of the user has
        with self._explaining(""):
            with self._target(probe) as path:
                self._fs.pipe_file(path, b"")
            self._fs.rm_file(self._join(probe))
        if for_workers and self._scheme == "memory":
            raise ParameterError(
                f"{self.url}: exists only in this process's memory, which workers cannot access",
                next_step="use a bucket, or file:///FOLDER that all machines share",
            )

    def check_there(self) -> None:
        """Check that the folder exists, so that a wrong URL is not taken for empty storage.

        Raises:
            MissingResourceError: The folder does not exist, is a file, or cannot be used.
        """
        with self._explaining(""):
            info = self._info(self._path)
        if info is None or info["type"] != "directory":
            raise MissingResourceError(
                f"{self.url}: {'does not exist' if info is None else 'a file, not a folder'}",
                next_step="check the URL; features build makes the folder and sends the features",
            )

    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None if it does not exist."""
        with self._explaining(name):
            try:
                content: bytes = self._fs.cat_file(self._join(name))
            except (FileNotFoundError, IsADirectoryError):
                return None
            return content

    def read_many(self, names: Iterable[str]) -> dict[str, bytes]:
        """Return the contents of the existing files among ``names``, fetched concurrently if the driver can."""
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
        """Write a file atomically."""
        with self._explaining(name), self._target(name) as path:
            self._fs.pipe_file(path, content)

    def put(self, file: Path, name: str) -> None:
        """Copy a local file to storage atomically."""
        with self._explaining(name), self._target(name) as path:
            self._fs.put_file(str(file), path)

    def get(self, name: str, file: Path) -> bool:
        """Copy a file to a local file; False if it does not exist."""
        with self._explaining(name):
            try:
                self._fs.get_file(self._join(name), str(file))
            except (FileNotFoundError, IsADirectoryError):
                return False
        return True

    def sizes(self, below: str = "") -> dict[str, int]:
        """Return the size in bytes of every file below a folder, by name relative to this folder."""
        return {name: int(info["size"]) for name, info in self._find(below).items()}

    def versions(self, below: str = "") -> dict[str, str]:
        """Return, by name, a version string of every file below a folder, or of the file of that name.

        The string holds the driver's metadata that changes when the file does (``_VERSION_KEYS``). It is empty if the
        storage gives none, or the size alone: then nothing shows whether the file has changed.
        """
        return {name: _version(info) for name, info in self._find(below).items()}

    def remove(self, below: str) -> None:
        """Remove a folder with everything below it; a missing folder is no error."""
        with self._explaining(below), suppress(FileNotFoundError):
            self._fs.invalidate_cache()
            self._fs.rm(self._join(below), recursive=True)

    def remove_file(self, name: str) -> None:
        """Remove a single file; a missing file is no error, and a folder of that name is not removed."""
        with self._explaining(name), suppress(FileNotFoundError):
            self._fs.rm_file(self._join(name))

    def _find(self, below: str) -> dict[str, Mapping[str, Any]]:
        with self._explaining(below):
            self._fs.invalidate_cache()  # other processes write there too
            found = self._walk(self._join(below))
        return {path.removeprefix(self._path).lstrip("/"): found[path] for path in sorted(found)}

    def _walk(self, path: str) -> dict[str, Mapping[str, Any]]:
        found: dict[str, Mapping[str, Any]] = {}
        if self._scheme not in _BY_FOLDERS:
            with suppress(FileNotFoundError):
                found = self._fs.find(path, detail=True)
            if not found:
                self._info(self._path)  # raises if the driver reports a failure as an empty folder
            # HTTP lists names alone: what else is known about a file takes a request of its own.
            return {
                name: self._info(name) or info if info.get("size") is None else info for name, info in found.items()
            }
        folders = [path]
        while folders:
            with suppress(FileNotFoundError):  # other processes may remove folders meanwhile
                for info in self._fs.ls(folders.pop(), detail=True):
                    if info["type"] == "directory":
                        folders.append(info["name"])
                    else:
                        found[info["name"]] = info
        return found

    def _info(self, path: str) -> Mapping[str, Any] | None:
        try:
            info: Mapping[str, Any] = self._fs.info(path)
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
        """Convert the errors of any driver to MissingResourceError, with a message of one line."""
        try:
            yield
        except SsmiError:
            raise
        except Exception as error:
            text = " ".join(f"{type(error).__name__}: {error}".split())
            raise MissingResourceError(
                f"{self.url}{f'/{name}' if name else ''}: cannot be used ({text[:300]})",
                next_step="check the URL, the network, and the driver's keys in the environment"
                " (docs/guides/storage.md), and run the same command again",
            ) from error


def _version(info: Mapping[str, Any]) -> str:
    known = [f"{key}={info[key]}" for key in _VERSION_KEYS if info.get(key) is not None]
    return " ".join([f"size={info.get('size')}", *known]) if known else ""


@lru_cache(maxsize=16)
def open_folder(url: str, *, what: str = "storage") -> RemoteFolder:
    """Open a folder, once per process; raises like ``RemoteFolder``."""
    return RemoteFolder(url, what=what)


def _open(url: str, scheme: str, what: str) -> tuple[Any, str]:
    try:
        fsspec.get_filesystem_class(scheme)
        # Without cached listings, because other processes write there too.
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
                next_step=name_hint(scheme, known, listed=["file", "memory", "s3", *PACKAGES]),
            ) from None
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise MissingResourceError(
            f"{what} {url}: cannot be opened ({text[:300]})",
            next_step="check the URL and the driver's keys in the environment (docs/guides/storage.md)",
        ) from error
    return filesystem, path.rstrip("/")

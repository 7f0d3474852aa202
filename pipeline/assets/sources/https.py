"""Download one file from an https address, and check its size limit and checksum."""

from __future__ import annotations

import hashlib
import http.client
import ssl
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from ssmi.pipeline.assets.registry import Asset, Checksum, RemoteFile
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError
from ssmi.pipeline.contract.manifest import digest_file
from ssmi.pipeline.contract.progress import Reporter

_BLOCK = 1 << 20
_SOCKET_SECONDS = 30.0


def fetch_url(asset: Asset, file: RemoteFile, target: Path, *, reporter: Reporter) -> None:
    """Download one file to ``target``.

    Raises:
        MissingResourceError: The address is not http or https, or the file could not be fetched.
        InputDataError: The file is over its size limit, or its checksum differs.
    """
    if urllib.parse.urlsplit(file.url).scheme not in ("http", "https"):
        raise MissingResourceError(f"{asset.name}: {file.url} is not an http address", next_step=asset.by_hand)
    try:
        _stream(asset, file, target, reporter)
    except (
        urllib.error.URLError,
        http.client.HTTPException,
        ssl.SSLError,
        TimeoutError,
        ConnectionError,
        ValueError,
    ) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        reason = getattr(error, "reason", None) or error
        raise MissingResourceError(
            f"{asset.name}: {file.url} could not be fetched ({reason})",
            next_step=asset.alternatives(reach=urllib.parse.urlsplit(file.url).hostname or "the source"),
        ) from error
    value = checksum(target, file.checksum)
    if value != file.checksum.value:
        raise InputDataError(
            f"{file.url}: {file.checksum.kind} is {value}, not {file.checksum.value}", next_step=asset.by_hand
        )


def _stream(asset: Asset, file: RemoteFile, target: Path, reporter: Reporter) -> None:
    """Download the body of the response. Raises the errors of urllib and http.client, also for a body cut short."""
    request = urllib.request.Request(file.url, headers={"User-Agent": "ssmi"})
    with urllib.request.urlopen(request, timeout=_SOCKET_SECONDS) as response, target.open("wb") as out:
        declared = int(response.headers.get("Content-Length") or 0)
        with reporter.task(file.name, total=declared or file.max_bytes, unit="B") as advance:
            size = 0
            while block := response.read(_BLOCK):
                size += len(block)
                if size > file.max_bytes:
                    raise InputDataError(
                        f"{file.url}: over {file.max_bytes} bytes, so not the published file", next_step=asset.by_hand
                    )
                out.write(block)
                advance(len(block))
        if declared and size != declared:
            # read(n) ends silently if the connection breaks; only the declared length shows that bytes are missing.
            raise http.client.IncompleteRead(b"", declared - size)


def checksum(path: Path, like: Checksum) -> str:
    """Compute the checksum of a file, of the same kind as ``like``."""
    if like.kind == "sha256":
        return digest_file(path)
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()

"""URLs of storage: which strings are URLs, and which URLs are refused before anything is opened."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from ssmi.pipeline.contract.errors import ParameterError

_LOCAL, _READ_ONLY = frozenset({"file", "local"}), frozenset({"http", "https"})
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SIGNED = re.compile(
    r"[?&;](x-amz-|x-goog-|sig=|signature=|(access_|api_)?(token|key)=|password=|secret=)", re.IGNORECASE
)
"""Parameters of presigned S3 and Google URLs, of Azure's SAS tokens and of other services' keys."""


def is_url(text: str) -> bool:
    """Whether a parameter is a URL of storage, as opposed to a name or a path on this machine."""
    return _URL.match(text) is not None


def scheme_of(url: str) -> str:
    """Return the scheme of a URL in lower case: ``s3`` of ``s3://bucket/folder``."""
    return url.partition("://")[0].lower()


def name_of(url: str) -> str:
    """Return the last part of a URL's path: the name of its file or folder."""
    return url.rstrip("/").rpartition("/")[2]


def check_url(url: str, *, what: str) -> str:
    """Check a URL, and return it with its scheme in lower case and without trailing slashes.

    Args:
        url: The URL as given.
        what: The parameter that it is the value of, for messages, such as ``--storage``.

    Raises:
        ParameterError: The string is not a URL, names no place, is a chain of URLs, is a relative path on this machine,
            or contains a password or signature, which would appear in manifests, messages and process lists.
    """
    if not is_url(url):
        raise ParameterError(f"{what} {url}: not a URL", next_step="for example s3://BUCKET/FOLDER or file:///FOLDER")
    if "::" in url:
        raise ParameterError(f"{what}: a chain of URLs", next_step="name one place, without ::")
    try:
        host = urlsplit(url).netloc
    except ValueError as error:
        raise ParameterError(f"{what}: not a URL ({error})", next_step="see docs/guides/storage.md") from None
    if "@" in host and ":" in host.rpartition("@")[0]:
        raise ParameterError(
            f"{what}: a {scheme_of(url)} URL with a password in it",
            next_step="give it to the storage's driver by its environment variables, see docs/guides/storage.md",
        )
    if _SIGNED.search(url):
        raise ParameterError(
            f"{what}: a {scheme_of(url)} URL with a signature or key in it, which gives access to anyone who sees it",
            next_step="name the place alone, or fetch what lies there and name the file",
        )
    scheme, path = scheme_of(url), url.partition("://")[2].rstrip("/")
    if not path:
        example = "file:///FOLDER" if scheme in _LOCAL else f"{scheme}://BUCKET/FOLDER"
        raise ParameterError(f"{what} {url}: names no folder", next_step=f"for example {example}")
    if scheme in _LOCAL and host:
        raise ParameterError(
            f"{what} {url}: not an absolute path (two slashes)", next_step=f"with three: {scheme}:///{path}"
        )
    return f"{scheme}://{path}"


def check_writable(url: str, *, what: str) -> str:
    """Check that a URL's scheme can be written to, and return the URL.

    Raises:
        ParameterError: The scheme is read-only.
    """
    if scheme_of(url) in _READ_ONLY:
        raise ParameterError(
            f"{what} {url}: nothing can be written over {scheme_of(url)}", next_step="see docs/guides/storage.md"
        )
    return url

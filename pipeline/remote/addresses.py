"""URLs of storage: which words are one, and those that are refused before anything is opened."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from ssmi.pipeline.contract.errors import ParameterError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def is_url(text: str) -> bool:
    """Whether a parameter means storage by URL, and not a name or a path of this machine."""
    return _URL.match(text) is not None


def scheme_of(url: str) -> str:
    """``s3`` of ``s3://bucket/folder``."""
    return url.partition("://")[0].lower()


def name_of(url: str) -> str:
    """The last part of a URL's path: what its file or folder is called."""
    return url.rstrip("/").rpartition("/")[2]


def check_url(url: str, *, what: str) -> str:
    """A URL without slashes at its end.

    Args:
        url: As given.
        what: Whose value it is, for the message: ``--storage``.

    Raises:
        ParameterError: It is not one, is several in one, or holds a password: what is given as a parameter stands in
            manifests, in messages and in lists of processes.
    """
    if not is_url(url):
        raise ParameterError(f"{what} {url}: not a URL", next_step="for example s3://BUCKET/FOLDER or file:///FOLDER")
    if "::" in url:
        raise ParameterError(f"{what}: a chain of URLs", next_step="name one place, without ::")
    try:
        has_secret = "@" in urlsplit(url).netloc and ":" in urlsplit(url).netloc.rpartition("@")[0]
    except ValueError as error:
        raise ParameterError(f"{what}: not a URL ({error})", next_step="see docs/guides/storage.md") from None
    if has_secret:
        raise ParameterError(
            f"{what}: a {scheme_of(url)} URL with a password in it",
            next_step="give it to the storage's driver by its environment variables, see docs/guides/storage.md",
        )
    return url.rstrip("/")

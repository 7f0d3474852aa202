"""Texts and word vectors that a parameter names by URL: copied to this machine, and again when they change."""

from __future__ import annotations

from pathlib import Path

from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError
from ssmi.pipeline.contract.progress import Reporter
from ssmi.pipeline.contract.storage import replacing
from ssmi.pipeline.contract.storage.cache_folder import cache_root, make_cache_root
from ssmi.pipeline.contract.storage.digests import digest_json
from ssmi.pipeline.contract.storage.relative_names import stays_below
from ssmi.pipeline.remote.addresses import name_of
from ssmi.pipeline.remote.filesystem import open_folder


def download(url: str, *, what: str, reporter: Reporter) -> Path:
    """The file or folder at a URL, under its own name in the machine's cache.

    It is asked for each time whether size, time or tag of a file has changed since it was copied; that is all that
    storage tells without sending the file.

    Args:
        url: Of a file, or of a folder, which then comes with all that lies below it.
        what: Whose value it is, for messages: ``vocab.vectors``.
        reporter: Told of the copying.

    Returns:
        The file or folder on this machine.

    Raises:
        MissingResourceError: There is nothing, or the storage cannot be used.
        InputDataError: The name of a file leads out of the folder.
        ParameterError: The URL cannot be opened.
    """
    remote = open_folder(url, what=what)
    versions = remote.versions()
    if not versions:
        raise MissingResourceError(f"{what} {url}: nothing is there", next_step="check the URL")
    copies = cache_root() / "downloads-by-url" / digest_json(remote.url)[:32]
    home = copies / digest_json(versions)[:32]
    target = home / name_of(remote.url)
    if home.is_dir():
        return target
    make_cache_root()
    with (
        replacing.replacing_folder(home) as fresh,
        reporter.task(f"fetch {name_of(remote.url)}", total=len(versions), unit="files") as advance,
    ):
        for name in versions:
            # Keys of an object store may hold anything, also a way out of this folder.
            if not stays_below(name):
                raise InputDataError(f"{remote}/{name}: no name for a file here", next_step="rename it")
            file = fresh / target.name / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if not remote.get(name, file):
                raise MissingResourceError(f"{remote}/{name}: not there any more", next_step="run the same again")
            advance(1)
    for older in copies.iterdir():
        # What another process is writing is held by it; one that still reads an older copy has its files open.
        if older != home:
            replacing.remove_unheld(older)
    return target

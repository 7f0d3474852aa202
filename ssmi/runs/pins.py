"""Pinned features: the files that a run reads to tag text, kept beside its weights until the run folder is removed.

The vocabulary and a data set's features may be rebuilt, which replaces the folder of a stage and never writes into it.
A run therefore keeps hard links to the files that it was trained with, ``pinned/SHARDS/{vocab,embed,pmi}/...``, which
take up space only once the project's files are replaced. If links are not possible, the files are copied. A user
dictionary, which an editor may write into, is always copied. The encoder is not kept, because this program does not
build it: it is named by ``encoder.name`` and verified against its digest.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ssmi.model.runs.files import CHECKPOINT, SHARDS
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.manifest import StoredManifest
from ssmi.pipeline.contract.storage.digests import short_digest
from ssmi.pipeline.contract.storage.replacing import discard, replacing_folder
from ssmi.pipeline.online import FeatureStore
from ssmi.pipeline.online.feature_store import USER_DICT, check_feature_store

PINNED = "pinned"
"""Name of the folder in a run folder; its subfolders are named by the digest of the shards' manifest."""


def find_pinned(run: Path) -> Path | None:
    """Return the folder of the features pinned for a run's checkpoint; None if there are none."""
    trained_on = run / CHECKPOINT / SHARDS / manifests.MANIFEST_NAME
    if not trained_on.is_file():
        return None
    kept = _place(run, manifests.digest_file(trained_on))
    return kept if kept.is_dir() else None


def pin(run: Path, *, shards: StoredManifest, store: FeatureStore) -> None:
    """Pin the features that belong to the shards of a run, before it is trained; features pinned already are kept.

    Args:
        run: The run folder.
        shards: Manifest of the shards.
        store: The files to pin.

    Raises:
        MissingResourceError: A file or folder does not exist.
        StaleArtifactError: The shards were built from other folders, or a file is not as it was written.

    """
    place = _place(run, shards.digest)
    if place.is_dir():
        return
    check_feature_store(store, shards.manifest)
    with replacing_folder(place) as fresh:
        for name, path in store.files().items():
            if not name.startswith("encoder/"):
                (fresh / name).parent.mkdir(exist_ok=True)
                _link(path, fresh / name, copied=name == USER_DICT)
        # Check the links too, because a stage may have been rebuilt in the meantime.
        check_feature_store(replace(FeatureStore.packed(fresh), encoder=store.encoder), shards.manifest)


def unpin_others(run: Path) -> None:
    """Remove features pinned for other checkpoints; without a checkpoint, remove all, and the run folder if empty."""
    needed = find_pinned(run)
    for kept in (run / PINNED).glob("*"):
        if kept != needed:
            discard(kept)
    if needed is None:
        for folder in (run / PINNED, run):
            with suppress(OSError):
                # rmdir rather than rmtree, so that other files are kept.
                folder.rmdir()


def _place(run: Path, digest: str) -> Path:
    return run / PINNED / short_digest(digest)


def _link(path: Path, to: Path, *, copied: bool) -> None:
    if not copied:
        with suppress(OSError):  # another file system, or one without hard links
            # Link the target of a symbolic link, which may point elsewhere later.
            os.link(path.resolve(), to)
            return
    shutil.copyfile(path, to)

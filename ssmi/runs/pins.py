"""What a run reads on text, kept beside its weights until the run folder is removed.

The vocabulary and a data set's features may be built again; a stage's folder is then replaced, never written into. So a
run keeps hard links to the files that it was trained with, ``pinned/SHARDS/{vocab,embed,pmi}/...``: they take room of
their own only once the project's files are others. Where links are not possible they are copies. A user dictionary,
which an editor may write into, is always copied. The encoder is not kept: nothing here builds it, it is named by
``encoder.name`` and held to its digest.
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
from ssmi.pipeline.contract.storage.replacing import discard, replacing_folder
from ssmi.pipeline.online import FeatureStore
from ssmi.pipeline.online.feature_store import USER_DICT, check_feature_store

PINNED = "pinned"
"""Folder of a run; one below it is named by the manifest of the shards that its files belong to."""
_SHORT = 12


def find(run: Path) -> Path | None:
    """The folder with what was kept for a run's checkpoint; None where nothing was."""
    trained_on = run / CHECKPOINT / SHARDS / manifests.MANIFEST_NAME
    if not trained_on.is_file():
        return None
    kept = _place(run, manifests.digest_file(trained_on))
    return kept if kept.is_dir() else None


def keep(run: Path, *, shards: StoredManifest, store: FeatureStore) -> None:
    """Keep what belongs to shards that a run is about to be trained on; what is kept already stays.

    Raises MissingResourceError or StaleArtifactError where the folders are not those that the shards were built from,
    or a file in them is not what was written.
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
        # What was linked too: a stage may have been built again meanwhile.
        check_feature_store(replace(FeatureStore.packed(fresh), encoder=store.encoder), shards.manifest)


def drop_others(run: Path) -> None:
    """Remove what was kept for checkpoints that are no longer there; all, and an empty run folder, without any."""
    needed = find(run)
    for kept in (run / PINNED).glob("*"):
        if kept != needed:
            discard(kept)
    if needed is None:
        for folder in (run / PINNED, run):
            with suppress(OSError):
                # rmdir and not rmtree: whatever else lies there stays.
                folder.rmdir()


def _place(run: Path, digest: str) -> Path:
    return run / PINNED / digest[:_SHORT]


def _link(path: Path, to: Path, *, copied: bool) -> None:
    if not copied:
        with suppress(OSError):  # another file system, or one without links
            # Of a symbolic link the file behind it: the link may lead elsewhere later.
            os.link(path.resolve(), to)
            return
    shutil.copyfile(path, to)

"""Whether the raw files of a data set, or the sentences prepared from them, changed after its shards were built."""

from __future__ import annotations

from pathlib import Path

from ssmi.pipeline.assets.datasets import find_own_dataset
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.stages.prepare import RAW, raw_digests


def changes_since_build(dataset: str, *, root: Path, prepared: Path, shards: Path) -> list[str]:
    """List what changed: raw files, including ``dataset.yaml``, and the output of the stage ``prepare``.

    Args:
        dataset: Name of the data set.
        root: The project's folder.
        prepared: The folder of the stage ``prepare``.
        shards: The shard folder.

    Returns:
        Each change in a few words, for example ``train.conll changed``. Empty if the user has no folder of the data
        set: features may be used where the raw files are not, and fetched files are verified by their digest.

    Raises:
        SsmiError: A stage was not built, or the folder's files are not a data set any more.
        OSError: A raw file cannot be read.

    """
    files = find_own_dataset(dataset, root=root)
    if files is None:
        return []
    stored = manifests.read(prepared)
    built, present = stored.manifest.inputs, raw_digests(files)
    changes = [
        f"{name.rpartition('/')[2]} {'removed' if name not in present else 'added' if name not in built else 'changed'}"
        for name in sorted(built.keys() | present.keys())
        if name.startswith(RAW) and built.get(name) != present.get(name)
    ]
    if manifests.load(shards).inputs.get("artifacts/prepare") != stored.digest:
        changes.append("sentences prepared again")
    return changes

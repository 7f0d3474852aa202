"""Whether the raw files of a data set changed after its sentences were prepared."""

from __future__ import annotations

from pathlib import Path

from ssmi.pipeline.assets.datasets import find_own_dataset
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.stages.prepare import raw_digests


def changed_raw_files(dataset: str, *, root: Path, prepared: Path) -> list[str]:
    """List the raw files that were changed, added or removed, and ``dataset.yaml`` likewise.

    Args:
        dataset: Name of the data set.
        root: The project's folder.
        prepared: The folder of the stage ``prepare``.

    Returns:
        Each file with what happened to it, for example ``train.conll changed``. Empty if the user has no folder of the
        data set: features may be used where the raw files are not, and fetched files are held to their digest.

    Raises:
        SsmiError: The stage was not built, or the folder's files are not a data set any more.

    """
    files = find_own_dataset(dataset, root=root)
    if files is None:
        return []
    built, now = manifests.load(prepared).inputs, raw_digests(files)
    return [
        f"{name.rpartition('/')[2]} {'removed' if name not in now else 'added' if name not in built else 'changed'}"
        for name in sorted(built.keys() | now.keys())
        if built.get(name) != now.get(name)
    ]

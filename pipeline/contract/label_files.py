"""The file of the label set, in shards and in checkpoints."""

from __future__ import annotations

import json
from pathlib import Path

from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.labels import ROLES, LabelSet, is_label
from ssmi.pipeline.contract.manifest import Manifest
from ssmi.pipeline.contract.storage import checked_files


def save_labels(labels: LabelSet, path: Path) -> None:
    """Write a label set as JSON."""
    body = {"scheme": labels.scheme, "entity_types": list(labels.entity_types), "tags": list(labels.tags)}
    path.write_text(json.dumps(body, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def load_labels(path: Path, *, manifest: Manifest | None = None) -> LabelSet:
    """Read a label set written by ``save_labels``.

    Args:
        path: The file.
        manifest: Manifest to verify the file against; see ``checked_files.read``.

    Returns:
        The label set.

    Raises:
        MissingResourceError: The file does not exist.
        StaleArtifactError: The file changed since it was written, or is not a label set of this version.
    """
    content = checked_files.read(path, manifest=manifest)
    try:
        body = json.loads(content)
        labels = LabelSet(body["scheme"], tuple(body["entity_types"]))
        # The tags are stored only for this check: a version that numbers them differently must notice.
        if labels.scheme not in ROLES or list(labels.tags) != body["tags"]:
            raise KeyError("tags")
        # The types are printed, also in tables, and the file may come from somebody else.
        if wrong := [name for name in labels.entity_types if not isinstance(name, str) or not is_label(name)]:
            raise ValueError(f"{wrong[0]!a} is not a valid entity type")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StaleArtifactError(
            f"{path}: not a label set of this version ({error})", next_step="build the shards again"
        ) from error
    return labels

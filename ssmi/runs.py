"""What a run folder says of itself, before anything heavy is imported."""

from __future__ import annotations

from pathlib import Path

from ssmi.model.runs.files import CHECKPOINT, SHARDS, require_checkpoint
from ssmi.pipeline.contract import manifest
from ssmi.pipeline.contract.errors import MissingResourceError


def trained_on(run: Path) -> str | None:
    """The data set whose shards a run was trained on; None where it does not say."""
    try:
        require_checkpoint(run)  # first: an old run's manifest would be refused with another next step
        return manifest.load(run / CHECKPOINT / SHARDS).dataset
    except MissingResourceError:
        return None

"""What a run folder holds. Light: whoever only looks for a file loads no torch."""

from pathlib import Path

from ssmi.pipeline.contract.errors import MissingResourceError

CHECKPOINT = "checkpoint"
"""Folder of the best epoch's weights and of all that they need."""
FACTS = "checkpoint.json"
"""File in it that says what the network was made from."""
SHARDS = "shards"
"""Folder in it with the manifest of the shards that it was trained on."""
COUNTS = "counts"
"""Folder with the counts of every sentence of a scored split: what runs are compared by."""
HISTORY = "history.csv"
HEADLINE = "headline.json"
"""Precision, recall and F1 of each split: what DVC compares runs by."""
METRICS = "metrics.json"
"""Written when the training is finished."""


def require_checkpoint(run: Path) -> None:
    """Raise MissingResourceError where a run folder is not there or holds no checkpoint."""
    if not run.is_dir():
        raise MissingResourceError(
            f"{run}: no such folder, so no checkpoint", next_step="ssmi-cli train, or name a run that is there"
        )
    if not (run / CHECKPOINT / FACTS).is_file():
        raise MissingResourceError(f"{run / CHECKPOINT}: no checkpoint", next_step="ssmi-cli train")

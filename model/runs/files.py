"""The files of a run folder and the version of its checkpoint. Importing this module loads no torch."""

from pathlib import Path
from shlex import quote

from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError, closest_name
from ssmi.pipeline.contract.project.paths import ArtifactPaths
from ssmi.pipeline.contract.storage.replacing import sweep
from ssmi.pipeline.contract.text.json_text import loads

CHECKPOINT = "checkpoint"
"""Folder with the weights of the kept epoch and everything needed to use them."""
METADATA = "checkpoint.json"
"""File in the checkpoint that states its ``format`` and what the network was made from."""
CHECKPOINT_FORMAT = 4
"""Incremented whenever earlier checkpoints become unreadable. Version 0.1 wrote 2, version 0.2 wrote 3."""
SHARDS = "shards"
"""Folder in the checkpoint with the manifest of the shards that the run was trained on."""
KEPT_METADATA = "made-from.json"
"""Replaces a checkpoint that ``ablate`` did not keep, with the content of its ``checkpoint.json``."""
DROP_CHECKPOINT = "drop-weights"
"""Marks a run of ``ablate`` whose checkpoint is to be removed once the run is finished."""
COUNTS = "counts"
"""Folder with the entity counts of every sentence of the scored splits, by which runs are compared."""
STATE = "state"
"""Folder with the state of an unfinished run."""
STATE_FILE = "state.json"
"""File in it that names the other file of the state."""
HISTORY = "history.csv"
HEADLINE = "headline.json"
"""Precision, recall and F1 of each split, by which DVC compares runs."""
METRICS = "metrics.json"
"""All scores of a run; its presence marks a finished run."""
RESULT_FILES = "files.json"
"""Digests of the result files of a finished run; also the name of the list of digests in a checkpoint."""


def report_name(split: str) -> str:
    """Return the name of the page that ``ssmi-cli report`` writes for a split."""
    return f"report-{split}.html"


def _similar(run: Path) -> str:
    """Return a hint at the project's run of this name, or else at the sibling folder with the most similar name."""
    named = ArtifactPaths(run.parent).runs / run.name
    if (named / CHECKPOINT).is_dir():
        return f"; did you mean {str(named)!r}?"
    try:
        close = closest_name(run.name, (folder.name for folder in run.parent.iterdir() if folder.is_dir()))
    except OSError:
        return ""
    return f"; did you mean {str(run.parent / close)!r}?" if close else ""


def _how_to_train(run: Path) -> str:
    """Return the command that trains a folder without a checkpoint; without the name it would train another folder."""
    command = f"ssmi-cli train --run {quote(str(run))}"
    if (run / STATE / STATE_FILE).is_file():
        return f"continue it with the options that began it: {command} --resume"
    return f"{command}, with the data set and the options that are meant"


def require_checkpoint(run: Path) -> None:
    """Check that a run folder has a usable checkpoint, before anything large is imported.

    Args:
        run: The run folder.

    Raises:
        MissingResourceError: The folder does not exist or has no checkpoint.
        StaleArtifactError: Another version of ssmi wrote the checkpoint.

    """
    if not run.is_dir():
        raise MissingResourceError(
            f"{run}: no such folder{_similar(run)}",
            next_step="name an existing run folder (artifacts/train/DATASET), or train one: ssmi-cli train",
        )
    path = run / CHECKPOINT / METADATA
    if not path.is_file():
        sweep(run)  # a process killed while replacing the folder leaves it under another name
    if not path.is_file():
        raise MissingResourceError(f"{run / CHECKPOINT}: no checkpoint", next_step=_how_to_train(run))
    try:
        written = loads(path.read_text(encoding="utf-8"))["format"]
    except (OSError, ValueError, KeyError, TypeError):
        return  # damaged: reading the whole file will report the damage
    if written != CHECKPOINT_FORMAT:
        raise StaleArtifactError(
            f"{run}: a run of another version of ssmi (format {written}, this version reads {CHECKPOINT_FORMAT})",
            next_step="build the features and train again with this version, or tag with the version that trained it",
        )

"""What a run folder holds, and of which version it is. Light: looking for a file loads no torch."""

from pathlib import Path

from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError, closest
from ssmi.pipeline.contract.project.paths import ArtifactPaths
from ssmi.pipeline.contract.storage.replacing import sweep
from ssmi.pipeline.contract.text.json_text import loads

CHECKPOINT = "checkpoint"
"""Folder of the best epoch's weights and of all that they need."""
METADATA = "checkpoint.json"
"""File in it that says what the network was made from, and its ``format``."""
CHECKPOINT_FORMAT = 4
"""One more whenever this version cannot read what an earlier one wrote. Version 0.1 wrote 2, version 0.2 wrote 3."""
SHARDS = "shards"
"""Folder in it with the manifest of the shards that it was trained on."""
MADE_FROM = "made-from.json"
"""In place of a checkpoint that ``ablate`` did not keep: what its ``checkpoint.json`` said."""
DROP_WEIGHTS = "drop-weights"
"""There while ``ablate`` trains a run whose checkpoint it will not keep: whoever finds it finished removes that."""
COUNTS = "counts"
"""Folder with the counts of every sentence of a scored split: what runs are compared by."""
HISTORY = "history.csv"
HEADLINE = "headline.json"
"""Precision, recall and F1 of each split: what DVC compares runs by."""
METRICS = "metrics.json"
"""Written when the training is finished."""
RESULT_FILES = "files.json"
"""Digests of what else a finished run leaves; also the name of the list in a checkpoint."""


def report_name(split: str) -> str:
    """The page that ``ssmi-cli report`` writes about a split."""
    return f"report-{split}.html"


def _similar(run: Path) -> str:
    """A hint with the project's run of this name, else the folder beside it whose name is most similar."""
    named = ArtifactPaths(run.parent).runs / run.name
    if (named / CHECKPOINT).is_dir():
        return f"; did you mean {str(named)!r}?"
    try:
        close = closest(run.name, (folder.name for folder in run.parent.iterdir() if folder.is_dir()))
    except OSError:
        return ""
    return f"; did you mean {str(run.parent / close)!r}?" if close else ""


def require_checkpoint(run: Path) -> None:
    """Refuse a run folder that cannot be used, before anything heavy is imported.

    Args:
        run: The run folder.

    Raises:
        MissingResourceError: It is not there, or holds no checkpoint.
        StaleArtifactError: Another version of ssmi wrote its checkpoint.

    """
    if not run.is_dir():
        raise MissingResourceError(
            f"{run}: no such folder{_similar(run)}",
            next_step="name an existing run folder (artifacts/train/DATASET), or train one: ssmi-cli train",
        )
    path = run / CHECKPOINT / METADATA
    if not path.is_file():
        sweep(run)  # a process that was killed in the wrong moment leaves it under another name
    if not path.is_file():
        raise MissingResourceError(f"{run / CHECKPOINT}: no checkpoint", next_step="ssmi-cli train")
    try:
        written = loads(path.read_text(encoding="utf-8"))["format"]
    except (OSError, ValueError, KeyError, TypeError):
        return  # damaged: reading the whole file will say how
    if written != CHECKPOINT_FORMAT:
        raise StaleArtifactError(
            f"{run}: a run of another version of ssmi (format {written}, this version reads {CHECKPOINT_FORMAT})",
            next_step="build the features and train again with this version, or tag with the version that trained it",
        )

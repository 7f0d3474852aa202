"""Find a run by its folder or data set, and the project whose features it reads, without heavy imports."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from ssmi.model.runs.files import CHECKPOINT, METRICS, SHARDS, require_checkpoint
from ssmi.pipeline.contract import manifest
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError, UnknownDatasetError
from ssmi.pipeline.contract.parquet.tables import SPLITS, TEXT, list_parts
from ssmi.pipeline.contract.progress import Reporter
from ssmi.pipeline.contract.text.wording import abbreviated
from ssmi.workspace import Workspace, find_root

__all__ = [
    "check_labelled",
    "check_split",
    "find_run",
    "nearest_project",
    "note_if_unfinished",
    "require_checkpoint",
    "run_and_dataset",
    "trained_on",
]


def check_split(split: str) -> None:
    """Raise ParameterError for a name that is not a split."""
    if split not in SPLITS:
        raise ParameterError(f"unknown split {split!r}", next_step=f"one of {', '.join(SPLITS)}")


def check_labelled(workspace: Workspace, name: str) -> str:
    """Return the name of a data set; raise MissingResourceError for a corpus, which has no labels."""
    if list_parts(workspace.paths.stage("prepare", name), TEXT):
        raise MissingResourceError(
            f"corpus {name}: text without labels, so there is nothing to train on or to score",
            next_step=f"ssmi-cli predict --shards {quote(name)} tags it with a run",
        )
    return name


def find_run(workspace: Workspace, *, run: Path | None, dataset: str | None) -> Path:
    """Find a run by its folder, or the run that ``train`` writes for a data set.

    Args:
        workspace: The project.
        run: The run folder; None for ``artifacts/train/DATASET``.
        dataset: The data set; None for the first one in params.yaml.

    Raises:
        ParameterError: Both ``run`` and ``dataset`` are given.
        MissingResourceError: There is no run, or the name is that of a corpus.

    """
    if run is not None and dataset is not None:
        raise ParameterError(f"both run {run} and data set {dataset} are given", next_step="give only one of them")
    folder = run or workspace.paths.run(check_labelled(workspace, _dataset_of_a_run(workspace, dataset)))
    require_checkpoint(folder)
    return folder


def run_and_dataset(workspace: Workspace, *, run: Path | None, dataset: str | None) -> tuple[Path, str]:
    """Find a run and the data set on whose shards to score it, by default the data set that it was trained on.

    Args:
        workspace: The project.
        run: The run folder; None for ``artifacts/train/DATASET``.
        dataset: The data set; None for the one that the run was trained on, else the first one in params.yaml.

    Raises:
        MissingResourceError: There is no run, or the name is that of a corpus.

    """
    name = check_labelled(workspace, _dataset_of_a_run(workspace, dataset or (trained_on(run) if run else None)))
    folder = run or workspace.paths.run(name)
    require_checkpoint(folder)
    return folder, name


def _dataset_of_a_run(workspace: Workspace, name: str | None) -> str:
    """Return the name of a data set as ``Workspace.dataset`` does; the next step of an unknown one names the runs."""
    try:
        return workspace.dataset(name)
    except UnknownDatasetError as error:
        # Sorted, so that the message is the same on every file system.
        runs = sorted(folder.parent for folder in workspace.paths.runs.glob(f"*/{CHECKPOINT}"))
        here = f"here are {abbreviated([quote(str(run)) for run in runs])}; " if runs else ""
        raise UnknownDatasetError(
            error.message,
            next_step=f"name a data set or a folder with a trained run; {here}`ssmi-cli train` makes one",
        ) from None


def trained_on(run: Path) -> str | None:
    """Return the data set on whose shards a run was trained; None if unknown."""
    try:
        require_checkpoint(run)  # first, because the manifest of an old run gives another next step
        return manifest.load(run / CHECKPOINT / SHARDS).dataset
    except MissingResourceError:
        return None


def nearest_project(run: Path) -> Path:
    """Find the nearest folder with params.yaml above a run, else the working folder or the nearest one above it.

    Raises:
        MissingResourceError: There is no such folder.

    """
    for start in (run.resolve().parent, Path.cwd()):
        try:
            return find_root(start)
        except MissingResourceError:
            continue
    raise MissingResourceError(
        f"{run}: no project above it holds the features it was trained on",
        next_step="name the project's folder, or pack the run there with `ssmi-cli export`",
    )


def note_if_unfinished(run: Path, reporter: Reporter) -> None:
    """Report if a run is unfinished."""
    if not (run / METRICS).is_file():
        reporter.note(f"{run}: an unfinished run (no {METRICS}); these are its best weights so far")

"""Where a run and the project that it was trained in are found, for the commands that open runs."""

from __future__ import annotations

from pathlib import Path

import click

from cli.session import Session


def run_folder(session: Session, *, run: Path | None, dataset: str | None) -> tuple[Path, Path | None]:
    """The run folder, and the project whose features it reads; None for the nearest above the run.

    A run that is named needs no project here: a packed one has none. Raises MissingResourceError, before anything heavy
    is imported, where there is no run.
    """
    from model.files import require_checkpoint

    folder, project = _named(session, run=run, dataset=dataset)
    require_checkpoint(folder)
    return folder, project


def _named(session: Session, *, run: Path | None, dataset: str | None) -> tuple[Path, Path | None]:
    if run is not None and dataset is not None:
        raise click.UsageError("--run names the run folder, --dataset the run of a data set: give one of them")
    if run is not None:
        return run, session.root if session.project is not None else None
    name = dataset or session.params().datasets[0]
    return session.root / "artifacts" / "train" / name, session.root


def scored_run(session: Session, *, run: Path | None, dataset: str | None) -> tuple[Path, str]:
    """The run folder, and the data set on whose shards it is looked at: by default the one that it was trained on.

    Raises MissingResourceError where there is no run.
    """
    from model.files import require_checkpoint

    name = dataset or (trained_on(run) if run else None) or session.params().datasets[0]
    folder = run or session.root / "artifacts" / "train" / name
    require_checkpoint(folder)
    return folder, name


def trained_on(run: Path) -> str | None:
    """The data set whose shards a run was trained on; None where it does not say."""
    from model.files import CHECKPOINT, SHARDS
    from pipeline.contract import manifest
    from pipeline.contract.errors import MissingResourceError

    try:
        return manifest.load(run / CHECKPOINT / SHARDS).dataset
    except MissingResourceError:
        return None

"""Where a run and the project that it was trained in are found, for the commands that open runs."""

from __future__ import annotations

from pathlib import Path

import click

from ssmi.cli.session import Session


def run_folder(session: Session, *, run: Path | None, dataset: str | None) -> tuple[Path, Path | None]:
    """The run folder, and the project whose features it reads; None for the nearest above the run.

    A run that is named needs no project here: a packed one has none. Raises MissingResourceError, before anything heavy
    is imported, where there is no run.
    """
    from ssmi.model.runs.files import require_checkpoint

    folder, project = _named(session, run=run, dataset=dataset)
    require_checkpoint(folder)
    return folder, project


def _named(session: Session, *, run: Path | None, dataset: str | None) -> tuple[Path, Path | None]:
    if run is not None and dataset is not None:
        raise click.UsageError("--run names the run folder, --dataset the run of a data set: give one of them")
    if run is not None:
        return run, session.named_root
    return session.project.paths.run(session.project.dataset(dataset)), session.root


def scored_run(session: Session, *, run: Path | None, dataset: str | None) -> tuple[Path, str]:
    """The run folder, and the data set on whose shards it is looked at: by default the one that it was trained on.

    Raises MissingResourceError where there is no run.
    """
    from ssmi.model.runs.files import require_checkpoint
    from ssmi.runs import trained_on

    name = dataset or (trained_on(run) if run else None) or session.project.dataset(None)
    folder = run or session.project.paths.run(name)
    require_checkpoint(folder)
    return folder, name

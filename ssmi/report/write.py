"""Writing the report of a project's run to a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ssmi.model.runs.files import report_name
from ssmi.pipeline.contract.storage.replacing import writing
from ssmi.runs.lookup import check_split, note_if_unfinished, run_and_dataset
from ssmi.workspace import Workspace

if TYPE_CHECKING:
    from ssmi.report.build import ErrorCounts


@dataclass(frozen=True, slots=True)
class ReportResult:
    """Result of writing a report.

    Attributes:
        path: The file of the page.
        split: The split that was tagged.
        f1: F1 over all types, from 0 to 1.
        errors: Number of errors of each kind; ``str()`` gives a readable line.

    """

    path: Path
    split: str
    f1: float
    errors: ErrorCounts


def write_report(
    workspace: Workspace, dataset: str | None, *, run: Path | None, split: str, out: Path | None, device: str
) -> ReportResult:
    """Write one HTML page about a run; see ``Project.report``."""
    check_split(split)
    folder, name = run_and_dataset(workspace, run=run, dataset=dataset)
    workspace.fetch_features(name)
    note_if_unfinished(folder, workspace.reporter)
    target = out or folder / report_name(split)
    from ssmi.report.build import build  # imports torch, so after the run is found

    page = build(
        run=folder,
        title=f"{name}, {split}",
        run_name=_name_of(folder, workspace.root),
        paths=workspace.paths,
        dataset=name,
        split=split,
        device=device,
        reporter=workspace.reporter,
    )
    with writing(target) as temporary:
        temporary.write_text(page.html, encoding="utf-8", newline="\n")
    return ReportResult(target, split, page.f1, page.errors)


def _name_of(run: Path, root: Path) -> str:
    """Return the run folder relative to the project, or only its name: the page may be sent to other machines."""
    whole = run.resolve()
    return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else whole.name

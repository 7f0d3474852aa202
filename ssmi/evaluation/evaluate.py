"""Scores of a run on a split of a data set or on a labelled file, and the calibration of its probabilities.

Invalid requests are rejected before torch is imported.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssmi.model.evaluation.calibration import Calibration
from ssmi.model.evaluation.scoring import EntityCounts, Scores
from ssmi.pipeline.assets.folders import options_beside
from ssmi.pipeline.assets.resolve import DatasetFiles, find_dataset
from ssmi.pipeline.contract.arguments import checked, optional_path
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError
from ssmi.pipeline.contract.progress import Reporter, Silent
from ssmi.pipeline.readers.options import ReadOptions, options_from
from ssmi.pipeline.readers.sentence import LINES_KEPT
from ssmi.predict.garbage_collection import garbage_collection_paused
from ssmi.runs.lookup import check_split, nearest_project, note_if_unfinished, run_and_dataset
from ssmi.workspace import Workspace

if TYPE_CHECKING:
    from ssmi.evaluation.labelled_files import FileScores

__all__ = ["Calibration", "EntityCounts", "Evaluation", "Scores", "evaluate_file", "evaluate_split"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of a run on a split or a file.

    Attributes:
        title: The split, or the name of the file.
        scores: Precision, recall and F1 as ratios from 0 to 1, with their counts.
        calibration: How well the predicted probabilities match the precision.
        file: How the file was read, and entities in it of types unknown to the run; None if shards were scored.

    """

    title: str
    scores: Scores
    calibration: Calibration
    file: FileScores | None = None

    def __repr__(self) -> str:
        """Return the main scores, in one line."""
        return f"<Evaluation of {self.title}: {self.scores.headline()}>"

    def to_json(self) -> dict[str, Any]:
        """Return what ``ssmi-cli evaluate --json`` prints under the title."""
        if self.file is not None:
            return self.file.to_json()
        return {**self.scores.to_json(), "calibration": self.calibration.to_json()}


def evaluate_split(
    workspace: Workspace, *, run: Path | None, dataset: str | None, split: str, device: str
) -> Evaluation:
    """Score a run on a split of a data set's shards; see ``Project.evaluate``.

    If both ``run`` and ``dataset`` are given and the run cannot read the shards, the raw file of the split is tagged.
    """
    check_split(split)
    folder, name = run_and_dataset(workspace, run=run, dataset=dataset)
    note_if_unfinished(folder, workspace.reporter)
    workspace.fetch_features(name)
    shards = workspace.paths.shards(name)
    from ssmi.model.split_tagging import tag_split, why_unfit

    why_not = why_unfit(run=folder, shards=shards) if run is not None and dataset is not None else ""
    if why_not:
        files = find_dataset(name, root=workspace.root, reporter=workspace.reporter)
        file = _file_of(files, split, why_not=why_not)
        workspace.reporter.note(f"{why_not}; {file} is tagged as `predict` does")
        tagged_file = _tag_file(
            folder,
            file,
            files.options,
            project=_features_of(folder, workspace),
            device=device,
            reporter=workspace.reporter,
        )
        return replace(tagged_file, title=split)
    tagged = tag_split(
        run=folder, shards=shards, split=split, device=device, reporter=workspace.reporter, probabilities=True
    )
    return Evaluation(split, tagged.scores, tagged.calibration)


@checked
def evaluate_file(
    run: str | Path,
    file: str | Path,
    *,
    project: str | Path | None,
    encoding: str | None = None,
    offsets: str | None = None,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> Evaluation:
    """Score a run on a labelled file, which is tagged in the same way as by ``predict``.

    Args:
        run: The run folder, or a packed one.
        file: The file, in any format that ``prepare`` reads; for brat, a folder.
        project: The project whose features the run reads; None for the nearest project above the run.
        encoding: Encoding of the file; None for that of a ``dataset.yaml`` beside it, or UTF-8.
        offsets: Unit of entity offsets: ``auto``, ``code-points`` or ``utf-16``; None for that of a ``dataset.yaml``
            beside the file.
        device: Device to compute on.
        reporter: Receives progress, and notes on what was repaired or left out; None for silence.

    Returns:
        Scores, calibration, and how the file was read.

    Raises:
        ParameterError: The encoding or the unit of offsets is unknown.
        MissingResourceError: The run or the file does not exist.
        InputDataError: The file violates its format; the message gives ``file:line``.

    """
    given = {key: value for key, value in (("encoding", encoding), ("offsets", offsets)) if value is not None}
    path = Path(file)
    beside = options_beside(path).model_dump(exclude_unset=True)
    options = options_from({**beside, **given}, source="evaluate", refusal=ParameterError)
    reporter = reporter or Silent()
    result = _tag_file(Path(run), path, options, project=optional_path(project), device=device, reporter=reporter)
    note_if_unfinished(Path(run), reporter)
    return result


def _file_of(files: DatasetFiles, split: str, *, why_not: str) -> Path:
    if split not in files.splits:
        raise MissingResourceError(
            f"{why_not}; nor has the data set a {split} file",
            next_step=f"choose the split {' or '.join(files.splits)},"
            f" or ssmi-cli features build --dataset {files.name}",
        )
    return files.splits[split]


def _features_of(run: Path, workspace: Workspace) -> Path:
    """Return the project that contains a run, or the workspace's project if the run is outside of any."""
    try:
        return nearest_project(run)
    except MissingResourceError:
        return workspace.root


def _tag_file(
    run: Path, file: Path, options: ReadOptions, *, project: Path | None, device: str, reporter: Reporter
) -> Evaluation:
    with garbage_collection_paused():
        from ssmi.evaluation.labelled_files import score_read
        from ssmi.predict.tagger import Tagger

        tagger = Tagger.open(run, project=project, device=device, threads=0, reporter=reporter)
    scored = score_read(tagger, file, options, reporter=reporter)
    _note_reading(file, scored, reporter)
    return Evaluation(file.name, scored.scores, scored.calibration, scored)


def _note_reading(file: Path, scored: FileScores, reporter: Reporter) -> None:
    """Report the reader's notes, repaired and skipped lines, and entity types that the run does not know."""
    report = scored.report
    for text in report.notes:
        reporter.note(f"{file.name}: {text}")
    for what, counts in (("repaired", report.repairs), ("left out", report.skipped)):
        for reason, n in counts.items():
            lines = ", ".join(map(str, report.first_lines.get(reason, [])))
            more = " ..." if n > LINES_KEPT else ""
            reporter.note(f"{file.name}: {what}: {reason}, {n:,} times (lines {lines}{more})")
    if scored.unknown_types:
        types = ", ".join(f"{label} ({n:,})" for label, n in scored.unknown_types.items())
        reporter.note(f"{file.name}: entities of types that the run does not know count as missed: {types}")

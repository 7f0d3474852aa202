"""``ssmi-cli evaluate``: score a run on a split of a data set, or on any labelled file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ssmi.cli.options import dataset_option, device_option, json_option, run_option
from ssmi.cli.session import Session

if TYPE_CHECKING:
    from ssmi.evaluation.labelled_files import FileScores
    from ssmi.model.evaluation.calibration import Calibration
    from ssmi.pipeline.readers.options import ReadOptions

FORMS = ("svg", "png")


@click.command()
@dataset_option
@run_option
@click.option("--split", type=click.Choice(["train", "dev", "test"]), default="dev", show_default=True)
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path),
    help="Score this labelled file, or folder of brat's.",
)
@click.option("--encoding", metavar="NAME", help="Of --file, e.g. gb18030; else as dataset.yaml beside it says.")
@click.option("--offsets", metavar="UNIT", help="Of --file: auto, code-points or utf-16; else as dataset.yaml says.")
@click.option(
    "--plot", "picture", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.svg|png",
    help="Draw how reliable the probabilities are.",
)  # fmt: skip
@device_option
@json_option
@click.pass_obj
def evaluate(
    session: Session,
    dataset: str | None,
    run: Path | None,
    split: str,
    file: Path | None,
    encoding: str | None,
    offsets: str | None,
    device: str | None,
    picture: Path | None,
    as_json: bool,
) -> None:
    """Score a trained run on a split; test only where it is asked for.

    With --run and no --dataset, the data set is the one that the run was trained on. With both, a data set of which
    there are no shards that the run can read is tagged from its own file, as `predict` does; --file scores any other
    labelled file.
    """
    reading = {key: value for key, value in (("encoding", encoding), ("offsets", offsets)) if value is not None}
    _check_usage(file, picture, reading)
    if file is not None:
        from ssmi.cli.runs import run_folder
        from ssmi.pipeline.assets.folders import options_beside
        from ssmi.pipeline.contract.errors import ParameterError
        from ssmi.pipeline.readers.options import options_from

        beside = options_beside(file).model_dump(exclude_unset=True)
        options = options_from({**beside, **reading}, source="evaluate", refusal=ParameterError)
        folder, project = run_folder(session, run=run, dataset=dataset)
        title = file.name
        scores, calibration = _of_file(session, folder, project, file, options, device=device or "auto")
    else:
        from ssmi.cli.runs import scored_run

        folder, name = scored_run(session, run=run, dataset=dataset)
        title = split
        shards = session.project.paths.shards(name)
        named = run is not None and dataset is not None
        instead = _file_instead(session, folder, shards, name, split) if named else None
        if instead is None:
            scores, calibration = _of_split(session, folder, shards, split, device=device or "auto")
        else:
            project = session.named_root
            scores, calibration = _of_file(session, folder, project, *instead, device=device or "auto")
    if picture is not None:
        from ssmi.charts.reliability import plot_reliability

        plot_reliability(calibration, picture)
    if as_json:
        click.echo(json.dumps({title: scores}, ensure_ascii=False, indent=1))
    else:
        from ssmi.cli.scores import calibration_line, print_scores

        print_scores({title: scores})
        click.echo(calibration_line(scores["calibration"]))


def _check_usage(file: Path | None, picture: Path | None, reading: Mapping[str, str]) -> None:
    given = click.get_current_context().get_parameter_source("split")
    if file is not None and given is ParameterSource.COMMANDLINE:
        raise click.UsageError("--file is scored whole: it has no --split")
    if file is None and reading:
        raise click.UsageError(f"--{next(iter(reading))} says how --file is read; of a data set dataset.yaml says so")
    if picture is not None and picture.suffix[1:] not in FORMS:
        raise click.UsageError(f"--plot {picture}: its name must end in .svg or .png")
    if picture is not None and not picture.parent.is_dir():
        raise click.UsageError(f"--plot {picture}: no folder {picture.parent}")


def _file_instead(
    session: Session, run: Path, shards: Path, dataset: str, split: str
) -> tuple[Path, ReadOptions] | None:
    """The file of a split and how it is read, where a run cannot be scored on the data set's shards; else None."""
    from ssmi.model.evaluate import why_unfit

    why_not = why_unfit(run=run, shards=shards)
    if not why_not:
        return None
    from ssmi.pipeline.assets.resolve import find_dataset
    from ssmi.pipeline.contract.errors import MissingResourceError

    found = find_dataset(dataset, root=session.root, reporter=session.reporter)
    files = found.splits
    if split not in files:
        raise MissingResourceError(
            f"{why_not}; nor has the data set a {split} file",
            next_step=f"choose --split {' or '.join(files)}, or ssmi-cli features build --dataset {dataset}",
        )
    session.reporter.note(f"{why_not}; {files[split]} is tagged as `predict` does")
    return files[split], found.options


def _of_split(
    session: Session, run: Path, shards: Path, split: str, *, device: str
) -> tuple[dict[str, Any], Calibration]:
    from ssmi.model.evaluate import tag_split

    tagged = tag_split(
        run=run, shards=shards, split=split, device=device, reporter=session.reporter, probabilities=True
    )
    return {**tagged.scores.to_json(), "calibration": tagged.calibration.to_json()}, tagged.calibration


def _of_file(
    session: Session, run: Path, project: Path | None, path: Path, options: ReadOptions, *, device: str
) -> tuple[dict[str, Any], Calibration]:
    from ssmi.cli.predict import uncollected

    with uncollected():
        from ssmi.evaluation.labelled_files import score_file
        from ssmi.predict.tagger import Tagger

        tagger = Tagger.open(run, project=project, device=device, threads=0, reporter=session.reporter)
    found = score_file(tagger, path, options=options, reporter=session.reporter)
    _say_how_it_was_read(session, path, found)
    return found.to_json(), found.calibration


def _say_how_it_was_read(session: Session, path: Path, found: FileScores) -> None:
    report, note = found.report, session.reporter.note
    for text in report.notes:
        note(f"{path.name}: {text}")
    for what, counts in (("repaired", report.repairs), ("left out", report.skipped)):
        for reason, n in counts.items():
            lines = ", ".join(map(str, report.first_lines.get(reason, [])))
            note(f"{path.name}: {what}: {reason}, {n:,} times (lines {lines}{' ...' if n > 5 else ''})")
    if found.unknown_types:
        types = ", ".join(f"{label} ({n:,})" for label, n in found.unknown_types.items())
        note(f"{path.name}: entities of types that the run does not know count as missed: {types}")

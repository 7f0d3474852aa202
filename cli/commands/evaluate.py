"""``ssmi-cli evaluate``: score a run on a split of a data set, or on any labelled file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click
from click.core import ParameterSource

from ssmi.cli.options import check_picture, dataset_option, device_option, json_option, plot_option, run_option
from ssmi.cli.session import Session
from ssmi.pipeline.contract.errors import ParameterError


@click.command()
@dataset_option
@run_option(packed=True)
@click.option("--split", type=click.Choice(["train", "dev", "test"]), default="dev", show_default=True)
@click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path),
    help="Score this labelled file, or brat folder.",
)
@click.option("--encoding", metavar="NAME", help="Encoding of --file, e.g. gb18030.  [default: dataset.yaml beside it]")
@click.option(
    "--offsets", metavar="UNIT", help="Offsets of --file: auto, code-points, utf-16.  [default: dataset.yaml]"
)
@plot_option("Draw the reliability diagram of the probabilities.")
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
    """Score a trained run on a split; test only with --split test.

    With --run and no --dataset, the data set is the one that the run was trained on. With both, if the data set has
    no shards that the run can read, its labelled file is tagged as `predict` does. --file scores any other labelled
    file.
    """
    _check_usage(file, picture, {"encoding": encoding, "offsets": offsets})
    if file is None:
        result = session.project.evaluate(dataset, run=run, split=split, device=device or "auto")
    else:
        from ssmi.evaluation.evaluate import evaluate_file

        folder, project = session.find_run(run=run, dataset=dataset)
        result = evaluate_file(
            folder,
            file,
            project=project,
            encoding=encoding,
            offsets=offsets,
            device=device or "auto",
            reporter=session.reporter,
        )
    if picture is not None:
        from ssmi.charts.reliability import plot_reliability

        plot_reliability(result.calibration, picture)
    if as_json:
        click.echo(json.dumps({result.title: result.to_json()}, ensure_ascii=False, indent=1))
    else:
        from ssmi.cli.terminal.scores import calibration_line, print_scores

        print_scores({result.title: result.scores})
        click.echo(calibration_line(result.calibration))


def _check_usage(file: Path | None, picture: Path | None, reading: Mapping[str, str | None]) -> None:
    # --split has a default, so its value does not show whether it was given.
    source = click.get_current_context().get_parameter_source("split")
    if file is not None and source is ParameterSource.COMMANDLINE:
        raise ParameterError(
            "--split has no meaning with --file, which is scored as a whole", next_step="leave --split out"
        )
    given = [name for name, value in reading.items() if value is not None]
    if file is None and given:
        raise ParameterError(
            f"--{given[0]} without --file", next_step="leave it out; for a data set, set it in dataset.yaml"
        )
    check_picture(picture)

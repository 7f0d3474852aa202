"""``ssmi-cli train``: shards in, a run folder out."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ssmi.cli import completion
from ssmi.cli.options import (
    dataset_option,
    device_option,
    device_override,
    json_option,
    override_option,
    stage_version_option,
)
from ssmi.cli.session import Session

if TYPE_CHECKING:
    from ssmi.model.training.train import TrainResult


@click.command()
@dataset_option
@click.option(
    "--run",
    type=click.Path(file_okay=False, path_type=Path),
    shell_complete=completion.runs,
    help="Where to write.  [default: artifacts/train/DATASET, with --config DATASET-NAME]",
)
@click.option(
    "--config",
    metavar="NAME",
    shell_complete=completion.configurations,
    help="A configuration of `ablate --list`; -S still has the last word.",
)
@device_option
@override_option
@click.option("--resume", is_flag=True, help="Go on with the unfinished run in the run folder.")
@stage_version_option
@json_option
@click.pass_context
def train(
    context: click.Context,
    dataset: str | None,
    run: Path | None,
    config: str | None,
    device: str | None,
    overrides: tuple[str, ...],
    resume: bool,
    stage_version: int | None,
    as_json: bool,
) -> None:
    """Train on a data set's shards; dev picks the epoch, test is read once.

    Ctrl-C saves everything and stops; the same command with --resume goes on as if it had never stopped. On several
    GPUs: torchrun --nproc-per-node N --no-python ssmi-cli train ...
    """
    from ssmi import dvc_file, training
    from ssmi.cli.main import INTERRUPTED
    from ssmi.cli.scores import print_scores
    from ssmi.configurations import find
    from ssmi.model.runs.files import METRICS

    dvc_file.check_version(dvc_file.TRAIN, stage_version)
    session: Session = context.obj
    configuration = find(config) if config else None
    changes = [*(configuration.overrides if configuration else ()), *overrides, *device_override(device)]
    params = session.params(changes)
    name = dataset or params.datasets[0]
    shards = session.project.paths.shards(name)
    folder = run or session.project.paths.run(name, configuration=config)
    encoder = training.check(session.project, params, shards=shards, dataset=name, configuration=configuration)
    # torch comes last: whatever is refused above is refused at once.
    with session.reporter.task("loading torch", total=0, unit=""):
        from ssmi.model.training import distributed
        from ssmi.model.training.interrupts import Interrupted

    try:
        result = training.train(
            session.project, shards=shards, encoder=encoder, run=folder, params=params, resume=resume
        )
    except Interrupted as interrupted:
        if distributed.is_first():
            again = _same_command_resumed() if distributed.is_alone() else "the same torchrun command with --resume"
            click.echo(f"interrupted: {interrupted.message}\n  next: {again}", err=True)
        context.exit(INTERRUPTED)
    if not distributed.is_first():
        return
    metrics = (folder / METRICS).read_text(encoding="utf-8")
    if as_json:
        click.echo(metrics, nl=False)
        return
    print_scores(json.loads(metrics))
    click.echo(_last_line(result))


def _last_line(result: TrainResult) -> str:
    timing = result.timing
    waited = timing.waiting_seconds / timing.seconds if timing.seconds else 0.0
    return (
        f"best epoch {result.best_epoch}; run folder {result.run}; {waited:.1%} of the training time waiting for data"
    )


def _same_command_resumed() -> str:
    arguments = sys.argv[1:]
    return shlex.join(["ssmi-cli", *arguments, *([] if "--resume" in arguments else ["--resume"])])

"""``ssmi-cli train``: shards in, a run folder out."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ssmi.cli import completion
from ssmi.cli.build_options import stage_version_option
from ssmi.cli.options import dataset_option, device_option, json_option, override_option
from ssmi.cli.session import Session

if TYPE_CHECKING:
    from ssmi.training import TrainResult


_AGAIN = "run the same command again, with --resume if an epoch was finished"
"""The next step where nothing was saved: before the first step, or after a second Ctrl-C."""


@click.command()
@dataset_option
@click.option(
    "--run",
    type=click.Path(file_okay=False, path_type=Path),
    shell_complete=completion.runs,
    help="Where to write.  [default: artifacts/train/DATASET, with --config DATASET+NAME]",
)
@click.option(
    "--config",
    metavar="NAME",
    shell_complete=completion.configurations,
    help="A configuration of `ablate --list`; -S takes precedence.",
)
@device_option
@override_option
@click.option("--resume", is_flag=True, help="Continue the unfinished run in the run folder.")
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
    """Train on a data set's shards; the best epoch on dev is kept, test is scored once.

    Epochs, learning rates and so on are parameters: -S train.epochs=3; `ssmi-cli params train` explains them. Ctrl-C
    saves everything and stops; the same command with --resume continues as if it had never stopped. On several GPUs:
    torchrun --nproc-per-node N --no-python ssmi-cli train ...
    """
    from ssmi import Interrupted, training
    from ssmi.cli.failures import INTERRUPTED, print_failure, resumable
    from ssmi.cli.terminal.scores import print_scores
    from ssmi.dvc import pipeline_file

    pipeline_file.check_version(pipeline_file.TRAIN, stage_version)
    session: Session = context.obj
    try:
        with resumable(_AGAIN, unless=Interrupted):
            result = session.project.train(
                dataset, configuration=config, run=run, overrides=overrides, device=device, resume=resume
            )
    # Here and not in main, because click turns every KeyboardInterrupt into an Abort without a message.
    except Interrupted as interrupted:
        if training.is_main_process():
            again = (
                _same_command_resumed()
                if training.is_single_process()
                else "run the same torchrun command again with --resume"
            )
            print_failure(f"interrupted: {interrupted.message}\n  next: {again}", INTERRUPTED)
        context.exit(INTERRUPTED)
    if not training.is_main_process():
        return
    scores = {"dev": result.dev} | ({"test": result.test} if result.test else {})
    if as_json:
        body = {split: one.to_json() for split, one in scores.items()}
        click.echo(json.dumps(body, ensure_ascii=False, indent=1))
        return
    print_scores(scores)
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

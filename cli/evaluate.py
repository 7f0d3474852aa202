"""``ssmi-cli evaluate``: score a run on any split of any shards made with its vocabulary and encoder."""

from __future__ import annotations

import json
from pathlib import Path

import click

from cli.options import dataset_option, device_option, json_option, run_option
from cli.session import Session


@click.command()
@dataset_option
@run_option
@click.option("--split", type=click.Choice(["train", "dev", "test"]), default="dev", show_default=True)
@device_option
@json_option
@click.pass_obj
def evaluate(
    session: Session, dataset: str | None, run: Path | None, split: str, device: str | None, as_json: bool
) -> None:
    """Score a trained run on a split; test only where it is asked for.

    With --run and no --dataset, the data set is the one that the run was trained on.
    """
    from cli.runs import scored_run
    from cli.scores import print_scores

    folder, name = scored_run(session, run=run, dataset=dataset)
    from model.evaluation import evaluate as evaluate_run

    scores = evaluate_run(
        run=folder,
        shards=session.root / "artifacts" / "shards" / name,
        split=split,
        device=device or "auto",
        reporter=session.reporter,
    )
    if as_json:
        click.echo(json.dumps({split: scores.to_json()}, ensure_ascii=False, indent=1))
    else:
        print_scores({split: scores.to_json()})

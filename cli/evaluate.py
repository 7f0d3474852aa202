"""``ssmi-cli evaluate``: score a run on any split of any shards made with its vocabulary and encoder."""

from __future__ import annotations

import json
from pathlib import Path

import click

from cli.options import dataset_option
from cli.session import Session


@click.command()
@dataset_option
@click.option(
    "--run", type=click.Path(file_okay=False, path_type=Path), help="Run folder.  [default: artifacts/train/DATASET]"
)
@click.option("--split", type=click.Choice(["train", "dev", "test"]), default="dev", show_default=True)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 ...")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_obj
def evaluate(session: Session, dataset: str | None, run: Path | None, split: str, device: str, as_json: bool) -> None:
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
        device=device,
        reporter=session.reporter,
    )
    if as_json:
        click.echo(json.dumps({split: scores.to_json()}, ensure_ascii=False, indent=1))
    else:
        print_scores({split: scores.to_json()})

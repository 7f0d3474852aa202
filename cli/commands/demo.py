"""``ssmi-cli demo``: run the whole path on the default data set; show the results and what to try next."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

import click

from ssmi.cli.session import Session

if TYPE_CHECKING:
    from ssmi.demo import DemoResult


@click.command()
@click.pass_obj
def demo(session: Session) -> None:
    """Run the whole path on the default data set (`dvc repro`) and say what to try next."""
    result = session.project.demo()
    paths = session.project.paths
    features, tagger = (
        folder.relative_to(session.root) for folder in (paths.shards(result.dataset), paths.run(result.dataset))
    )
    click.echo("\n" + _summary(result, where=f"{features} (features), {tagger} (tagger)"))


def _summary(result: DemoResult, *, where: str) -> str:
    from ssmi.demo import EXPERIMENT

    counts = result.sentences
    sentences = ", ".join(f"{counts[split]:,} {split}" for split in ("train", "dev", "test") if split in counts)
    scores = "   ".join(
        f"{split} F1 {100 * one.f1:.2f} (P {100 * one.precision:.2f}, R {100 * one.recall:.2f})"
        for split, one in result.scores.items()
    )
    shell = quote(result.dataset)
    steps = {
        f"ssmi-cli predict --dataset {shell} --interactive": "the entities of each text that you type",
        f"ssmi-cli stats coverage --dataset {shell}": "how often a gold entity is a lexicon word",
        f"ssmi-cli train --dataset {shell} --config bert-crf": "the same without the lexicon, for comparison",
        "ssmi-cli init ../my-project --data train.jsonl": "a project for your own data",
    }
    if result.kept:
        steps |= {
            "dvc exp run -S selection.scope=sentence": "an experiment, which replaces what was built",
            f"dvc exp apply {EXPERIMENT} && dvc repro": "back to what was built now, from DVC's cache",
        }
    width = max(map(len, steps))
    return "\n".join(
        (
            f"Built    {sentences} sentences; {result.n_segments:,} segments, {result.n_oov_segments:,} of"
            f" them outside the vocabulary; {result.n_boundaries:,} boundary words",
            f"Where    {where}",
            f"Scores   {scores}",
            "Try next",
            *(f"  {command:<{width}}   {meaning}" for command, meaning in steps.items()),
        )
    )

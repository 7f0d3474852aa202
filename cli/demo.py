"""``ssmi-cli demo``: ``dvc repro``, then what was built, where, how good it is, and what to try next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from cli.session import Session


@click.command()
@click.pass_obj
def demo(session: Session) -> None:
    """Run the whole path on the default data set (`dvc repro`) and say what to try next."""
    from cli import tracking
    from pipeline.contract.errors import SsmiError

    name = session.params().datasets[0]
    session.reporter.note(f"dvc repro: raw text → features → a tagger for {name!r}; a few minutes on two cores")
    if tracking.run_dvc(session.root, ["repro"], quiet=False):
        raise SsmiError("dvc repro did not finish", next_step="read its message above; `ssmi-cli doctor` helps")
    click.echo("\n" + _summary(session.root, name))


def _summary(root: Path, dataset: str) -> str:
    from model.files import METRICS

    prepare = _manifest(root, "prepare", dataset)["statistics"]
    embed = _manifest(root, "embed", dataset)["statistics"]
    shards = _manifest(root, "shards", dataset)["statistics"]
    run = root / "artifacts" / "train" / dataset
    metrics = json.loads((run / METRICS).read_text(encoding="utf-8"))
    counts = prepare["sentences"]
    sentences = ", ".join(f"{counts[split]:,} {split}" for split in ("train", "dev", "test") if split in counts)
    scores = "   ".join(
        f"{split} F1 {100 * found['f1']:.2f} (P {100 * found['precision']:.2f}, R {100 * found['recall']:.2f})"
        for split, found in metrics.items()
    )
    experiment = (
        f"  ssmi-cli train --dataset {dataset} --config bert-crf     the same without the lexicon, for comparison"
    )
    return "\n".join(
        (
            f"Built    {sentences} sentences; {embed['distinct_segments']:,} segments, {embed['oov_segments']:,} of"
            f" them outside the vocabulary; {shards['boundaries']:,} boundary words",
            f"Where    artifacts/shards/{dataset} (features), artifacts/train/{dataset} (tagger)",
            f"Scores   {scores}",
            "Try next",
            f"  ssmi-cli stats coverage --dataset {dataset}     how often the lexicon knows a gold entity",
            experiment,
            "  ssmi-cli data check --dataset resume       where a data set is found, and what is odd in it",
        )
    )


def _manifest(root: Path, stage: str, dataset: str) -> dict[str, Any]:
    text = (root / "artifacts" / stage / dataset / "manifest.json").read_text(encoding="utf-8")
    report: dict[str, Any] = json.loads(text)["report"]
    return report

"""``ssmi-cli demo``: ``dvc repro``, then what was built, where, how good it is, and what to try next.

What was built is also kept as an experiment of DVC: another processor builds other bytes than dvc.lock was committed
with, so the commit is no way back to them.
"""

from __future__ import annotations

import json
from pathlib import Path
from shlex import quote

import click

from ssmi.cli.session import Session

SAVED = "demo"
"""Name of the experiment that keeps what was built."""


@click.command()
@click.pass_obj
def demo(session: Session) -> None:
    """Run the whole path on the default data set (`dvc repro`) and say what to try next."""
    from ssmi import dvc
    from ssmi.pipeline.contract.errors import SsmiError

    name = session.params().datasets[0]
    session.reporter.note(f"dvc repro: raw text → features → a tagger for {name!r}; a few minutes on two cores")
    if dvc.run_dvc(session.root, ["repro"], quiet=False):
        raise SsmiError("dvc repro did not finish", next_step="read its message above; `ssmi-cli doctor` helps")
    try:
        saved = dvc.save_experiment(session.root, SAVED)
    except (SsmiError, OSError) as error:  # without git, say; what was built is there all the same
        session.reporter.note(f"not kept as an experiment: {error}")
        saved = False
    click.echo("\n" + _summary(session.root, name, saved=saved))


def _summary(root: Path, dataset: str, *, saved: bool) -> str:
    from ssmi.model.runs.files import METRICS
    from ssmi.pipeline.contract import manifest
    from ssmi.pipeline.contract.artifacts import ArtifactPaths
    from ssmi.pipeline.contract.statistics import EmbedStatistics, PrepareStatistics, ShardsStatistics

    paths = ArtifactPaths(root)
    counts = PrepareStatistics.of(manifest.load(paths.stage("prepare", dataset))).sentences
    embed = EmbedStatistics.of(manifest.load(paths.stage("embed", dataset)))
    shards = ShardsStatistics.of(manifest.load(paths.shards(dataset)))
    run = paths.run(dataset)
    metrics = json.loads((run / METRICS).read_text(encoding="utf-8"))
    sentences = ", ".join(f"{counts[split]:,} {split}" for split in ("train", "dev", "test") if split in counts)
    scores = "   ".join(
        f"{split} F1 {100 * found['f1']:.2f} (P {100 * found['precision']:.2f}, R {100 * found['recall']:.2f})"
        for split, found in metrics.items()
    )
    shell = quote(dataset)
    experiment = (
        f"  ssmi-cli train --dataset {shell} --config bert-crf     the same without the lexicon, for comparison"
    )
    way_back = (
        "  dvc exp run -S selection.scope=sentence     an experiment, in place of what was built",
        f"  dvc exp apply {SAVED} && dvc repro     back from it to what was built now, which lies in DVC's cache",
    )
    return "\n".join(
        (
            f"Built    {sentences} sentences; {embed.distinct_segments:,} segments, {embed.oov_segments:,} of"
            f" them outside the vocabulary; {shards.boundaries:,} boundary words",
            f"Where    artifacts/shards/{dataset} (features), artifacts/train/{dataset} (tagger)",
            f"Scores   {scores}",
            "Try next",
            f"  ssmi-cli stats coverage --dataset {shell}     how often the lexicon knows a gold entity",
            experiment,
            "  ssmi-cli data check --dataset resume       where a data set is found, and what is odd in it",
            *(way_back if saved else ()),
        )
    )

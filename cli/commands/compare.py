"""``ssmi-cli compare``: whether one trained system is better than another, or only seems so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ssmi.cli.options import device_option, json_option
from ssmi.cli.session import Session
from ssmi.pipeline.contract.parameters.limits import MIN_RESAMPLES
from ssmi.pipeline.contract.text.wording import counted

if TYPE_CHECKING:
    from ssmi.evaluation.comparison import Comparison, Difference

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.argument("run", type=_FOLDER)
@click.argument("base", type=_FOLDER)
@click.option("--split", type=click.Choice(["train", "dev", "test"]), default="dev", show_default=True)
@click.option(
    "--resamples", type=click.IntRange(min=MIN_RESAMPLES), default=2_000, show_default=True, help="Bootstrap samples."
)
@device_option
@json_option
@click.pass_obj
def compare(
    session: Session, run: Path, base: Path, split: str, resamples: int, device: str | None, as_json: bool
) -> None:
    """Say how much more F1 RUN has than BASE, and whether the difference may be chance.

    Both are run folders of `train` or `ablate`, or folders that hold the runs of several seeds. The interval is a
    paired bootstrap over the split's sentences, and over seeds if there are several. Test is compared only with
    --split test.
    """
    from ssmi.evaluation.comparison import compare_runs

    if run.resolve() == base.resolve():
        session.reporter.note(f"{run}: compared with itself")
    comparison = compare_runs(
        run,
        base,
        split=split,
        n_resamples=resamples,
        project=session.named_root,
        storage=session.storage,
        # None would mean train.device, which scoring does not read.
        device=device or "auto",
        reporter=session.reporter,
    )
    if as_json:
        click.echo(json.dumps(comparison.to_json(), ensure_ascii=False, indent=1))
        return
    _show(comparison)


def _show(comparison: Comparison) -> None:
    from ssmi.cli.terminal.tables import print_table

    seeds, base_seeds = comparison.seeds, comparison.base_seeds
    resampled = "sentences and seeds" if max(len(seeds), len(base_seeds)) > 1 else "sentences"
    click.echo(
        f"{comparison.split}: {counted(comparison.n_sentences, 'sentence')}; "
        f"RUN {_seeds(seeds)}, BASE {_seeds(base_seeds)}; "
        f"{counted(comparison.n_resamples, 'resample')} of {resampled}"
    )
    rows = [_row("all", comparison.overall), *(_row(name, one) for name, one in comparison.by_type.items())]
    header = ("type", "RUN F1", "BASE F1", "gain", f"{100 * comparison.level:.0f} % interval", "other sign")
    print_table(header, rows)
    click.echo(verdict(comparison))


def _row(name: str, one: Difference) -> tuple[str, ...]:
    return (
        name,
        f"{100 * one.f1:.2f}",
        f"{100 * one.base_f1:.2f}",
        f"{100 * one.gain:+.2f}",
        f"[{100 * one.low:+.2f}, {100 * one.high:+.2f}]",
        f"{100 * one.opposite_sign_share:.1f} %",
    )


def _seeds(seeds: tuple[int, ...]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def verdict(comparison: Comparison) -> str:
    """Say in words what the interval implies."""
    difference = comparison.overall
    if difference.significant:
        text = f"The interval excludes 0: RUN is {'better' if difference.gain > 0 else 'worse'} on these sentences."
    else:
        text = "The interval contains 0: the difference may be chance."
    if max(len(comparison.seeds), len(comparison.base_seeds)) == 1:
        text += " One seed each: it does not cover how scores vary between seeds."
    return text

"""Scores as a table: one line per type, as in seqeval's report, then the totals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from ssmi.pipeline.contract.text.wording import counted

if TYPE_CHECKING:
    from ssmi.evaluation.evaluate import Calibration, EntityCounts, Scores


def print_scores(by_split: Mapping[str, Scores]) -> None:
    """Print the scores, one table per split."""
    from ssmi.cli.terminal.tables import print_table

    for split, scores in by_split.items():
        rows = [_row(name, counts) for name, counts in {**scores.by_type, **scores.by_group}.items()]
        rows.append(_row("all", scores.overall))
        rows.append(_row("span only", scores.spans))
        click.echo(f"\n{split}: {counted(scores.n_sentences, 'sentence')}")
        print_table(("type", "P", "R", "F1", "gold", "predicted", "correct"), rows)
        click.echo(f"type accuracy {_percent(scores.type_accuracy)}; ill-formed predictions {scores.ill_formed}")


def calibration_line(calibration: Calibration) -> str:
    """The calibration of a split in one line."""
    if not calibration.n:
        return "calibration: no entity was predicted"
    return (
        f"calibration: {calibration.n:,} predicted entities, mean probability "
        f"{calibration.mean_probability:.2%}, precision {calibration.precision:.2%}; expected "
        f"calibration error {calibration.ece:.2%} (10 bins of equal width), Brier score {calibration.brier:.4f}"
    )


def _row(name: str, counts: EntityCounts) -> tuple[object, ...]:
    ratios = (_percent(ratio) for ratio in (counts.precision, counts.recall, counts.f1))
    return (name, *ratios, counts.gold, counts.predicted, counts.correct)


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.2f}"

"""The charts of the page."""

from __future__ import annotations

from collections.abc import Sequence

from ssmi.charts.bars import BarChart, StepChart, Steps
from ssmi.charts.lines import Line, LineChart, Mark
from ssmi.charts.reliability import ReliabilityChart
from ssmi.charts.rendering import inline_svg
from ssmi.charts.style import Colour
from ssmi.model.evaluation.calibration import Calibration
from ssmi.model.runs.results.history import Epoch
from ssmi.pipeline.features.boundary_selection import HISTOGRAM_BINS
from ssmi.report.content import Figure, Panel
from ssmi.report.feature_statistics import FeatureStatistics


def calibration_panel(calibration: Calibration) -> Panel:
    """Chart how often predicted entities of a given probability are right, with the calibration's summary figures."""
    if not calibration.n:
        return Panel(why_omitted="Not shown: no entity was predicted.")
    note = (
        f"Expected calibration error {calibration.ece:.2%} (10 bins of equal width), "
        f"Brier score {calibration.brier:.4f}: {calibration.n:,} predicted entities, "
        f"{calibration.mean_probability:.2%} sure on average, {calibration.precision:.2%} right. "
        "The dashed line is perfect calibration."
    )
    svg = inline_svg(ReliabilityChart(calibration))
    return Panel([Figure("Precision by probability", svg, note)])


def epochs_panel(history: Sequence[Epoch], *, best_epoch: int, split: str) -> Panel:
    """Chart dev scores and the training loss over epochs."""
    if not history:
        return Panel(why_omitted="Not shown: the run has no history.csv with an epoch in it.")
    xs = [row.epoch for row in history]
    mark = Mark(best_epoch, f"epoch {best_epoch}: these weights") if best_epoch in xs else None
    scores = LineChart(
        "dev scores over epochs",
        [
            Line("F1", xs, [100 * row.dev_f1 for row in history], Colour.BLUE),
            Line("precision", xs, [100 * row.dev_precision for row in history], Colour.ORANGE, dashes="--"),
            Line("recall", xs, [100 * row.dev_recall for row in history], Colour.GREEN, dashes=":"),
        ],
        x_label="epoch",
        mark=mark,
    )
    losses = LineChart(
        "training loss over epochs",
        [Line("loss", xs, [row.train_loss for row in history], Colour.PURPLE)],
        x_label="epoch",
        mark=mark,
    )
    note = "" if split == "dev" else "Dev scores, whatever split this report is of."
    return Panel(
        [
            Figure("Scores on dev", inline_svg(scores), note),
            Figure("Mean loss of a training sentence", inline_svg(losses)),
        ]
    )


def cosines_panel(features: FeatureStatistics, *, threshold: float | None) -> Panel:
    """Chart the histogram of the cosines of all candidates, overlaid with that of the best candidates."""
    if why_omitted := features.cosines.why_omitted or features.best.why_omitted:
        return Panel(why_omitted=why_omitted)
    all_by_bin, best_by_bin = dict(features.cosines.rows), dict(features.best.rows)
    bins = sorted(bin_ for bin_, count in [*features.cosines.rows, *features.best.rows] if count)
    if not bins:
        return Panel(why_omitted="Not shown: no character has a candidate.")
    shown = range(bins[0], bins[-1] + 1)
    edges = [round(-1 + 2 * index / HISTOGRAM_BINS, 2) for index in (*shown, shown.stop)]
    n_all, n_best = sum(all_by_bin.values()), sum(best_by_bin.values())
    histograms = [
        Steps(name, [by_bin.get(bin_, 0) / total for bin_ in shown], colour)
        for name, by_bin, total, colour in (
            ("all candidates", all_by_bin, n_all, Colour.SOFT),
            ("the best of each", best_by_bin, n_best, Colour.BLUE),
        )
        if total
    ]
    is_inside = threshold is not None and edges[0] <= threshold <= edges[-1]
    mark = Mark(threshold, f"threshold {threshold:g}") if threshold is not None and is_inside else None
    chart = StepChart("histogram of cosines", edges, histograms, x_label="cosine with the segment", mark=mark)
    note = f"{n_all:,} candidates of {n_best:,} distinct pairs of character and segment, all splits."
    return Panel([Figure("Cosines of candidates", inline_svg(chart), note)])


def candidates_panel(features: FeatureStatistics, *, split: str) -> Panel:
    """Chart how many words of the vocabulary contain a character, over the characters of the split."""
    if features.candidates.why_omitted:
        return Panel(why_omitted=features.candidates.why_omitted)
    by_bin = dict(features.candidates.rows)
    total = sum(by_bin.values())
    if not total:
        return Panel(why_omitted=f"Not shown: {split} has no character.")
    bins = range(min(by_bin), max(by_bin) + 1)
    chart = BarChart(
        "candidates of a character",
        [_bin_name(bin_) for bin_ in bins],
        [by_bin.get(bin_, 0) / total for bin_ in bins],
        x_label="words with the character: at least this many",
    )
    note = f"Share of the {total:,} characters of {split}; each bar ends before the next number."
    return Panel([Figure("Candidates of a character", inline_svg(chart), note)])


def _bin_name(bin_: int) -> str:
    """Return the lower end of a bin: 0 for bin -1, else a power of two."""
    if bin_ < 0:
        return "0"
    low = 2**bin_
    return f"{low // 1024}k" if low >= 1024 else str(low)

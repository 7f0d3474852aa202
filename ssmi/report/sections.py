"""The page's tables and figures as HTML; all text that comes from data is escaped here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape

from ssmi.model.evaluation.calibration import Calibration
from ssmi.model.evaluation.error_analysis import KINDS
from ssmi.model.evaluation.scoring import Counts, Scores
from ssmi.report.charts import Bar, Series, bar_chart, line_chart, percent, reliability_chart, step_chart
from ssmi.report.features import BINS, Answer, Found

KIND_NAMES = {"type": "wrong type", "span": "wrong span", "missed": "missed", "spurious": "spurious"}
NONE = "none"
History = Sequence[Mapping[str, float]]


def tiles(scores: Scores, errors: Mapping[str, int]) -> str:
    """The first figures that a person looks for."""
    figures = [
        ("F1", _score(scores.overall.f1), "lead"),
        ("precision", _score(scores.overall.precision), ""),
        ("recall", _score(scores.overall.recall), ""),
        ("span F1", _score(scores.spans.f1), ""),
        ("type accuracy", _score(scores.type_accuracy), ""),
        *((KIND_NAMES[kind], f"{errors[kind]:,}", f"kind {kind}") for kind in KINDS),
    ]
    cells = "".join(
        f'<div class="tile {style}"><span class="figure">{value}</span><span class="what">{name}</span></div>'
        for name, value, style in figures
    )
    return f'<div class="tiles">{cells}</div>'


def scores_by_type(scores: Scores) -> str:
    """P, R and F1 of every type with a bar, then the totals."""
    rows = [_scores_row(name, counts) for name, counts in scores.by_type.items()]
    groups = [_scores_row(name, counts, style="total") for name, counts in scores.by_group.items()]
    total = _scores_row("all", scores.overall, style="total")
    names = ("P", "R", "F1", "gold", "predicted", "correct")
    head = "".join(f'<th scope="col" class="{"for-bar" if name == "F1" else ""}">{name}</th>' for name in names)
    note = f"<p>Ill-formed predictions: {scores.ill_formed}.</p>" if scores.ill_formed else ""
    return _table(f'<th scope="col">type</th>{head}', [*rows, *groups, total], style="scores") + note


def _scores_row(name: str, counts: Counts, *, style: str = "") -> str:
    ratios = f"<td>{_score(counts.precision)}</td><td>{_score(counts.recall)}</td>"
    amounts = "".join(f"<td>{amount:,}</td>" for amount in (counts.gold, counts.predicted, counts.correct))
    return f'<tr class="{style}"><th scope="row">{escape(name)}</th>{ratios}{_barred(counts.f1)}{amounts}</tr>'


def confusion_table(counts: Counter[tuple[str | None, str | None]]) -> str:
    """Gold types down, predicted types across; a cell is as dark as its share of the row."""
    labels: list[str | None] = [*sorted({label for pair in counts for label in pair if label is not None}), None]
    if len(labels) == 1:
        return "<p>There is neither a gold nor a predicted entity.</p>"
    head = "".join(f'<th scope="col">{escape(label or NONE)}</th>' for label in labels)
    rows = []
    for gold in labels:
        total = sum(counts[gold, predicted] for predicted in labels) or 1
        cells = "".join(
            _confused(counts[gold, predicted], total=total, style="right" if gold == predicted else "wrong")
            for predicted in labels
        )
        rows.append(f'<tr><th scope="row">{escape(gold or NONE)}</th>{cells}</tr>')
    return _table(f'<th scope="col">gold \\ predicted</th>{head}', rows, style="confusion")


def _confused(count: int, *, total: int, style: str) -> str:
    return f'<td class="{style}" style="--share:{count / total:.3f}">{count or "·"}</td>'


def calibration(found: Calibration) -> str:
    """How often predicted entities of a probability are right, and the two figures made of it."""
    if not found.n:
        return _why_not("Not shown: no entity was predicted.")
    bars = [
        Bar(
            own.low,
            own.high,
            own.precision,
            f"{own.n:,}",
            f"{own.n:,} entities of mean probability {own.mean_probability:.2%}: {own.precision:.2%} are right",
        )
        for own in found.bins
        if own.n
    ]
    chart = reliability_chart(bars, title="reliability of probabilities", x_label="probability of the predicted entity")
    note = (
        f"Expected calibration error {_score(found.ece)} (10 bins of equal width), Brier score {found.brier:.4f}: "
        f"{found.n:,} predicted entities, {_score(found.mean_probability)} sure on average, "
        f"{_score(found.precision)} right. On the dashed line probabilities are true; figures are entities."
    )
    return _figures(("Share that is right, by the CRF's probability", chart, note))


def epochs(history: History, *, best_epoch: int, split: str) -> str:
    """Dev scores and the training loss over epochs; a sentence where there is no history."""
    if not history:
        return _why_not("Not shown: the run has no history.csv with an epoch in it.")
    xs = [row["epoch"] for row in history]
    mark = (float(best_epoch), f"epoch {best_epoch}: these weights") if best_epoch in xs else None
    dev = [
        Series(name, style, [row[f"dev_{key}"] for row in history])
        for name, key, style in (("F1", "f1", "c1"), ("precision", "precision", "c2"), ("recall", "recall", "c3"))
    ]
    loss = [Series("loss", "c4", [row["train_loss"] for row in history])]
    scores = line_chart(
        xs, dev, title="dev scores over epochs", x_label="epoch", show=lambda v: f"{100 * v:.4g}", mark=mark
    )
    losses = line_chart(xs, loss, title="training loss over epochs", x_label="epoch", show="{:.3g}".format, mark=mark)
    note = "" if split == "dev" else "Dev scores, whatever split this report is of."
    return _figures(("Scores on dev", scores, note), ("Mean loss of a training sentence", losses, ""))


def cosines(candidates: Answer, best: Answer, *, threshold: float) -> str:
    """The histogram of cosines of all candidates, over it that of the best."""
    if why_not := candidates.why_not or best.why_not:
        return _why_not(why_not)
    all_counts, best_counts = (
        [dict(answer.rows).get(bin_, 0) for bin_ in range(BINS)] for answer in (candidates, best)
    )
    filled = [index for index in range(BINS) if all_counts[index] or best_counts[index]]
    if not filled:
        return _why_not("Not shown: no character has a candidate.")
    low, high = filled[0], filled[-1] + 1
    edges = [round(-1 + 0.02 * index, 2) for index in range(low, high + 1)]
    series = [
        Series(name, style, [count / sum(counts) for count in counts[low:high]])
        for name, style, counts in (("all candidates", "c5", all_counts), ("the best of each", "c1", best_counts))
        if sum(counts)
    ]
    mark = (threshold, f"threshold {threshold:g}") if edges[0] <= threshold <= edges[-1] else None
    chart = step_chart(edges, series, title="histogram of cosines", x_label="cosine with the segment", mark=mark)
    note = (
        f"{sum(all_counts):,} candidates of {sum(best_counts):,} distinct pairs of character and segment, all splits."
    )
    return _figures(("Cosines of candidates", chart, note))


def candidates(answer: Answer, *, split: str) -> str:
    """How many words of the vocabulary hold a character, over the split's characters."""
    if answer.why_not:
        return _why_not(answer.why_not)
    counts = dict(answer.rows)
    total = sum(counts.values())
    if not total:
        return _why_not(f"Not shown: {split} has no character.")
    bins = range(min(counts), max(counts) + 1)
    names = [_bin_name(int(bin_)) for bin_ in bins]
    chart = bar_chart(
        names,
        [counts.get(bin_, 0) / total for bin_ in bins],
        title="candidates of a character",
        x_label="words that hold the character: from this many up to the next figure",
    )
    return _figures(("Candidates of a character", chart, f"Share of the {total:,} characters of {split}."))


def _bin_name(bin_: int) -> str:
    if bin_ < 1:
        return str(bin_ + 1)
    low = 2**bin_
    return f"{low // 1024}k" if low >= 1024 else str(low)


def unknown_by_type(
    known: Mapping[str, tuple[Found, Found]], why_not: str, seen: Mapping[str, tuple[Found, Found]], segments: Answer
) -> str:
    """Gold entities outside the vocabulary and absent from train, by type, and how often each kind was found."""
    if why_not:
        return _why_not(why_not)
    head = "".join(
        f'<th scope="col" class="{"for-bar" if name.startswith("not in") else ""}">{name}</th>'
        for name in (
            "type", "gold", "not in the vocabulary", "recall of those in it", "… not in it",
            "not in train", "recall of those in train", "… not in train",
        )
    )  # fmt: skip
    rows = [
        f'<tr><th scope="row">{escape(label)}</th><td>{_total(known[label]):,}</td>'
        f"{_unknown_cells(known[label])}{_unknown_cells(seen[label])}</tr>"
        for label in known
    ]
    note = ""
    if segments.rows and segments.rows[0][0]:
        n, outside = segments.rows[0]
        share = percent(outside / n)
        note = f"<p>{share} of the {n:,} segments lie outside the vocabulary, single characters among them.</p>"
    return _table(head, rows, style="unknown") + note


def _unknown_cells(found: tuple[Found, Found]) -> str:
    inside, outside = found
    return _barred(outside.n / (_total(found) or 1), style="amount") + _recall(inside) + _recall(outside)


def _total(found: tuple[Found, Found]) -> int:
    return found[0].n + found[1].n


def _recall(found: Found) -> str:
    return f"<td>{_score(found.correct / found.n)}</td>" if found.n else "<td>–</td>"


def _barred(ratio: float, *, style: str = "") -> str:
    return f'<td class="barred {style}" style="--share:{ratio:.3f}"><span>{_score(ratio)}</span><i></i></td>'


def _score(ratio: float) -> str:
    return f"{100 * ratio:.2f}"


def _table(head: str, rows: Sequence[str], *, style: str) -> str:
    body = "".join(rows)
    table = f'<table class="{style}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="wide" tabindex="0">{table}</div>'


def _figures(*figures: tuple[str, str, str]) -> str:
    return "".join(
        f"<figure><figcaption>{escape(title)}</figcaption>{chart}{f'<p>{escape(note)}</p>' if note else ''}</figure>"
        for title, chart, note in figures
    )


def _why_not(reason: str) -> str:
    return f'<p class="why-not">{escape(reason)}</p>'

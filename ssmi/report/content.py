"""The content of the page as typed values, which the templates lay out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ssmi.model.evaluation.calibration import Bin
from ssmi.model.evaluation.error_analysis import ErrorKind
from ssmi.model.evaluation.scoring import Scores
from ssmi.report.error_list import ErrorList
from ssmi.report.feature_statistics import FeatureStatistics, SplitRecall

KIND_NAMES: Mapping[ErrorKind, str] = {
    "type": "wrong type",
    "span": "wrong span",
    "missed": "missed",
    "spurious": "spurious",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A named property of the run."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart with the text above and below it."""

    caption: str
    svg: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """Figures, or a sentence that explains why there are none."""

    figures: Sequence[Figure] = ()
    why_omitted: str = ""


@dataclass(frozen=True, slots=True)
class ConfusionCell:
    """The number of entities with the gold type of the row and the predicted type of the column."""

    count: int
    share: float
    """The cell's share of its row, from 0 to 1."""
    is_correct: bool


@dataclass(frozen=True, slots=True)
class ConfusionRow:
    """A row for one gold type, or for predicted entities without a gold entity if ``label`` is None."""

    label: str | None
    cells: Sequence[ConfusionCell]


@dataclass(frozen=True, slots=True)
class ConfusionTable:
    """Confusion of types: gold types are rows, predicted types are columns, and the last of both is None, no entity."""

    labels: Sequence[str | None]
    rows: Sequence[ConfusionRow]


@dataclass(frozen=True, slots=True)
class UnknownRow:
    """Recall of one type, by whether its entities are words of the vocabulary and whether they occur in train."""

    label: str
    in_vocabulary: SplitRecall
    in_train: SplitRecall


@dataclass(frozen=True, slots=True)
class UnknownEntities:
    """Recall of entities that are missing in the vocabulary or in train."""

    rows: Sequence[UnknownRow] = ()
    n_segments: int = 0
    """Number of segments in the split; 0 if unknown."""
    outside_share: float = 0.0
    """Share of segments that are not words of the vocabulary."""
    why_omitted: str = ""


@dataclass(frozen=True, slots=True)
class FeaturesRead:
    """The features that the network reads; the attributes have the names used in the page's script."""

    best: bool
    set: bool
    local: bool


@dataclass(frozen=True, slots=True)
class PageContent:
    """Everything on the page."""

    title: str
    facts: Sequence[Fact]
    scores: Scores
    calibration: Panel
    bins: Sequence[Bin]
    """The non-empty bins of the calibration."""
    epochs: Panel
    confusion: ConfusionTable
    features: Sequence[Panel]
    unknown: UnknownEntities
    errors: ErrorList
    reads: FeaturesRead


def confusion_table(counts: Counter[tuple[str | None, str | None]]) -> ConfusionTable:
    """Arrange (gold type, predicted type) → count as a table, types by name; it has no rows without entities."""
    names = sorted({label for pair in counts for label in pair if label is not None})
    labels: list[str | None] = [*names, None] if names else []
    rows = []
    for gold in labels:
        total = sum(counts[gold, predicted] for predicted in labels) or 1
        cells = [
            ConfusionCell(counts[gold, predicted], counts[gold, predicted] / total, is_correct=gold == predicted)
            for predicted in labels
        ]
        rows.append(ConfusionRow(gold, cells))
    return ConfusionTable(labels, rows)


def unknown_entities(
    features: FeatureStatistics, *, in_vocabulary: Mapping[str, SplitRecall], in_train: Mapping[str, SplitRecall]
) -> UnknownEntities:
    """Combine the two recalls of each type; both mappings must have the same types."""
    why_omitted = features.in_vocabulary.why_omitted or features.in_train.why_omitted
    if why_omitted:
        return UnknownEntities(why_omitted=why_omitted)
    rows = [UnknownRow(label, in_vocabulary[label], in_train[label]) for label in in_vocabulary]
    n_segments, n_outside = features.segments.rows[0] if features.segments.rows else (0, 0)
    return UnknownEntities(rows, n_segments or 0, n_outside / (n_segments or 1))

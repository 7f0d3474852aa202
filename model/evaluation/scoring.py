"""Entity-level scores: exact match of span and type, micro-averaged, with counts.

Gold and predictions are given as spans. ``contract.labels.strict_spans`` reads them from a predicted tag path: only a
well-formed B (M|I)* E or S of one type is an entity (BIO: B I*). Any other run of tags is one ill-formed piece, which
is counted but never correct. This is seqeval's strict rule. An undefined ratio (nothing predicted, nothing gold) is 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ssmi.pipeline.contract.label_groups import NO_GROUPS, LabelGroups, members
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.contract.text.wording import counted


@dataclass(frozen=True, slots=True)
class EntityCounts:
    """Numbers of gold entities, of predicted entities, and of entities that are both."""

    gold: int
    predicted: int
    correct: int

    @property
    def precision(self) -> float:
        """The share of predicted entities that are correct."""
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """The share of gold entities that are correct."""
        return self.correct / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        # From the counts, not from the two ratios: this equals 2PR / (P + R) but is rounded once.
        return 2 * self.correct / (self.gold + self.predicted) if self.gold + self.predicted else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the ratios (0 to 1) and counts as JSON values."""
        return {
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "gold": self.gold,
            "predicted": self.predicted,
            "correct": self.correct,
        }


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of one split."""

    overall: EntityCounts
    by_type: dict[str, EntityCounts]
    """The counts of every gold or predicted type, by name."""
    by_group: dict[str, EntityCounts]
    """The counts of every group of types that the data set's record declares, by name."""
    spans: EntityCounts
    """The counts without regard to types (Span F)."""
    ill_formed: int
    """Number of predicted pieces that are not an entity."""
    n_sentences: int

    def __repr__(self) -> str:
        """Return the main figures in one line."""
        return f"<Scores: {self.headline()}>"

    def headline(self) -> str:
        """Return F1, precision and recall in percent, with the numbers of gold entities, types and sentences."""
        of = f"{counted(self.overall.gold, 'gold entity')} of {counted(len(self.by_type), 'type')}"
        f1, precision, recall = (
            f"{100 * ratio:.2f}" for ratio in (self.overall.f1, self.overall.precision, self.overall.recall)
        )
        return f"F1 {f1} (precision {precision}, recall {recall}); {of} in {counted(self.n_sentences, 'sentence')}"

    @property
    def type_accuracy(self) -> float:
        """Correct entities / correct spans (the "Type Acc" of FLAT); 0 without correct spans."""
        return self.overall.correct / self.spans.correct if self.spans.correct else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the scores in the form stored in metrics.json."""
        return {
            **self.overall.to_json(),
            "by_type": {name: counts.to_json() for name, counts in self.by_type.items()},
            "by_group": {name: counts.to_json() for name, counts in self.by_group.items()},
            "span": self.spans.to_json(),
            "type_accuracy": self.type_accuracy,
            "ill_formed": self.ill_formed,
            "n_sentences": self.n_sentences,
        }


def pooled(parts: Sequence[Scores]) -> Scores:
    """Pool the scores of parts that have no sentence in common."""
    return Scores(
        total(part.overall for part in parts),
        _added([part.by_type for part in parts]),
        _added([part.by_group for part in parts]),
        total(part.spans for part in parts),
        sum(part.ill_formed for part in parts),
        sum(part.n_sentences for part in parts),
    )


def _added(parts: Sequence[Mapping[str, EntityCounts]]) -> dict[str, EntityCounts]:
    names = sorted({name for part in parts for name in part})
    return {name: total(part[name] for part in parts if name in part) for name in names}


def score(
    gold: Sequence[Sequence[Span]],
    predicted: Sequence[Sequence[Span]],
    *,
    groups: LabelGroups = NO_GROUPS,
    ill_formed: int = 0,
) -> Scores:
    """Score predictions against gold, sentence by sentence.

    Args:
        gold: The entities of each sentence.
        predicted: The predicted entities of each sentence.
        groups: Groups of types that are also scored together.
        ill_formed: Number of ill-formed pieces predicted besides the spans.

    Raises:
        ValueError: ``gold`` and ``predicted`` differ in length.

    """
    by_type = add(count_sentence(*pair) for pair in zip(gold, predicted, strict=True))
    overall = total(by_type.values())
    correct = sum(len(_edges(true) & _edges(guess)) for true, guess in zip(gold, predicted, strict=True))
    return Scores(
        overall,
        by_type,
        {group: total(by_type[label] for label in types) for group, types in members(groups, by_type).items()},
        EntityCounts(overall.gold, overall.predicted, correct),
        ill_formed,
        len(gold),
    )


def count_sentence(gold: Sequence[Span], predicted: Sequence[Span]) -> dict[str, EntityCounts]:
    """Return the counts of every gold or predicted type of one sentence, by name."""
    n_gold = Counter(span.label for span in gold)
    n_predicted = Counter(span.label for span in predicted)
    n_correct = Counter(span.label for span in set(gold) & set(predicted))
    return {
        label: EntityCounts(n_gold[label], n_predicted[label], n_correct[label])
        for label in sorted(n_gold | n_predicted)
    }


def add(sentences: Iterable[Mapping[str, EntityCounts]]) -> dict[str, EntityCounts]:
    """Add the counts of sentences, by name of type."""
    n_gold, n_predicted, n_correct = Counter[str](), Counter[str](), Counter[str]()
    for sentence in sentences:
        for label, counts in sentence.items():
            n_gold[label] += counts.gold
            n_predicted[label] += counts.predicted
            n_correct[label] += counts.correct
    return {
        label: EntityCounts(n_gold[label], n_predicted[label], n_correct[label])
        for label in sorted(n_gold | n_predicted)
    }


def _edges(spans: Iterable[Span]) -> set[tuple[int, int]]:
    return {(span.start, span.end) for span in spans}


def total(counts: Iterable[EntityCounts]) -> EntityCounts:
    """Add several counts."""
    every = list(counts)
    return EntityCounts(sum(c.gold for c in every), sum(c.predicted for c in every), sum(c.correct for c in every))

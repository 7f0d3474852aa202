"""Entity-level scores: exact span and type, micro-averaged, with counts.

Gold entities come as spans; predictions as tags, read by ``contract.labels.strict_spans``: only a well-formed
B (M|I)* E or S of one type is an entity (BIO: B I*), any other run of tags is one ill-formed piece, counted and worth
nothing. That is seqeval's strict rule. An undefined ratio (nothing predicted, nothing gold) is 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.contract.labels import Span, TagScheme, strict_spans

_GROUPS = {"named": ".NAM", "nominal": ".NOM"}
"""Weibo's two kinds of mention, by the ending of the type."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many entities there are, were predicted, and are both."""

    gold: int
    predicted: int
    correct: int

    @property
    def precision(self) -> float:
        """Correct share of the predicted."""
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """Correct share of the gold."""
        return self.correct / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of the two."""
        return 2 * self.correct / (self.gold + self.predicted) if self.gold + self.predicted else 0.0

    def to_json(self) -> dict[str, Any]:
        """Ratios (0 to 1) and counts."""
        return {
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "gold": self.gold,
            "predicted": self.predicted,
            "correct": self.correct,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Counts:
        """Undo ``to_json``; KeyError without the counts."""
        return cls(int(body["gold"]), int(body["predicted"]), int(body["correct"]))


@dataclass(frozen=True, slots=True)
class Scores:
    """Everything that is said about one split."""

    overall: Counts
    by_type: dict[str, Counts]
    """Every type that is gold or predicted, by name."""
    by_group: dict[str, Counts]
    """Weibo's ``named`` and ``nominal``; empty where types are not so marked."""
    spans: Counts
    """Span F: the type does not matter."""
    ill_formed: int
    """Predicted pieces that are no entity."""
    n_sentences: int

    @property
    def type_accuracy(self) -> float:
        """Type Acc (FLAT): correct entities / correct spans."""
        return self.overall.correct / self.spans.correct if self.spans.correct else 0.0

    def to_json(self) -> dict[str, Any]:
        """The form that metrics.json holds."""
        return {
            **self.overall.to_json(),
            "by_type": {name: counts.to_json() for name, counts in self.by_type.items()},
            "by_group": {name: counts.to_json() for name, counts in self.by_group.items()},
            "span": self.spans.to_json(),
            "type_accuracy": self.type_accuracy,
            "ill_formed": self.ill_formed,
            "n_sentences": self.n_sentences,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Scores:
        """Undo ``to_json``; KeyError or TypeError for anything else."""
        return cls(
            Counts.from_json(body),
            {name: Counts.from_json(counts) for name, counts in body["by_type"].items()},
            {name: Counts.from_json(counts) for name, counts in body["by_group"].items()},
            Counts.from_json(body["span"]),
            int(body["ill_formed"]),
            int(body["n_sentences"]),
        )


def score(gold: Sequence[Sequence[Span]], predicted_tags: Sequence[Sequence[str]], *, scheme: TagScheme) -> Scores:
    """Compare sentence by sentence; both sequences have one item a sentence, else ValueError."""
    n_gold, n_predicted, n_correct = Counter[str](), Counter[str](), Counter[str]()
    span_correct = ill_formed = 0
    for own_gold, tags in zip(gold, predicted_tags, strict=True):
        predicted, pieces = strict_spans(tags, scheme=scheme)
        ill_formed += pieces
        n_gold.update(span.label for span in own_gold)
        n_predicted.update(span.label for span in predicted)
        n_correct.update(span.label for span in set(own_gold) & set(predicted))
        span_correct += len(_places(own_gold) & _places(predicted))
    by_type = {
        label: Counts(n_gold[label], n_predicted[label], n_correct[label]) for label in sorted(n_gold | n_predicted)
    }
    overall = _total(by_type.values())
    return Scores(
        overall,
        by_type,
        _groups(by_type),
        Counts(overall.gold, overall.predicted, span_correct),
        ill_formed,
        len(gold),
    )


def _places(spans: Iterable[Span]) -> set[tuple[int, int]]:
    return {(span.start, span.end) for span in spans}


def _total(counts: Iterable[Counts]) -> Counts:
    every = list(counts)
    return Counts(sum(c.gold for c in every), sum(c.predicted for c in every), sum(c.correct for c in every))


def _groups(by_type: dict[str, Counts]) -> dict[str, Counts]:
    if not by_type or not all(label.endswith(tuple(_GROUPS.values())) for label in by_type):
        return {}
    return {
        group: _total(counts for label, counts in by_type.items() if label.endswith(ending))
        for group, ending in _GROUPS.items()
    }

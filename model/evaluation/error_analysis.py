"""Error analysis: every gold or predicted entity without an exact match belongs to exactly one error.

Gold entities do not overlap each other, nor do predicted ones, so entities that share characters form small groups.
Each group is one error:

* ``type``: the same characters with different types
* ``span``: overlapping but different characters, with equal or different types
* ``missed``: a gold entity that no prediction overlaps
* ``spurious``: a prediction that overlaps no gold entity
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ssmi.pipeline.contract.labels import Span

ErrorKind = Literal["type", "span", "missed", "spurious"]
KINDS: tuple[ErrorKind, ...] = ("type", "span", "missed", "spurious")


@dataclass(frozen=True, slots=True)
class SpanError:
    """An error: its gold and predicted entities, in order; missed and spurious errors have one side only."""

    kind: ErrorKind
    gold: tuple[Span, ...]
    predicted: tuple[Span, ...]

    @property
    def start(self) -> int:
        """The first character of the entities."""
        return min(span.start for span in (*self.gold, *self.predicted))

    @property
    def end(self) -> int:
        """One past the last character of the entities."""
        return max(span.end for span in (*self.gold, *self.predicted))


def find_span_errors(gold: Iterable[Span], predicted: Iterable[Span]) -> list[SpanError]:
    """Return the errors of one sentence in text order; exact matches are not errors."""
    gold_spans, predicted_spans = set(gold), set(predicted)
    sides = [(span, True) for span in gold_spans - predicted_spans]
    sides += [(span, False) for span in predicted_spans - gold_spans]
    groups: list[list[tuple[Span, bool]]] = []
    end = 0
    for span, is_gold in sorted(sides):
        if groups and span.start < end:
            groups[-1].append((span, is_gold))
        else:
            groups.append([(span, is_gold)])
        end = max(end, span.end)
    return [_span_error(group) for group in groups]


def _span_error(group: Sequence[tuple[Span, bool]]) -> SpanError:
    gold = tuple(span for span, is_gold in group if is_gold)
    predicted = tuple(span for span, is_gold in group if not is_gold)
    kind: ErrorKind = "span"
    if not predicted:
        kind = "missed"
    elif not gold:
        kind = "spurious"
    elif {(span.start, span.end) for span in gold} == {(span.start, span.end) for span in predicted}:
        kind = "type"
    return SpanError(kind, gold, predicted)


def confusion(sentences: Iterable[tuple[Sequence[Span], Sequence[Span]]]) -> Counter[tuple[str | None, str | None]]:
    """Count the entities of each (gold type, predicted type), over the (gold, predicted) pairs of sentences.

    Two entities are paired if they have exactly the same characters; None stands for a missing partner. The counts of a
    gold type therefore sum to the number of gold entities of that type, and likewise for predicted types.
    """
    counts: Counter[tuple[str | None, str | None]] = Counter()
    for gold, predicted in sentences:
        of_gold = {(span.start, span.end): span.label for span in gold}
        of_predicted = {(span.start, span.end): span.label for span in predicted}
        counts.update((of_gold.get(ends), of_predicted.get(ends)) for ends in of_gold.keys() | of_predicted.keys())
    return counts

"""What a tagger got wrong: every gold and predicted entity that does not match exactly, in exactly one class.

Neither gold nor predicted entities overlap among themselves, so those that share a character form small groups, and a
group of both sides is one error:

* ``type``: the same characters, another type
* ``span``: overlapping, not the same characters; the types may agree or not
* ``missed``: a gold entity that no prediction touches
* ``spurious``: a prediction that touches no gold entity
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
    """One error: all gold and predicted entities that it is about, in order. Missed and spurious ones have one side."""

    kind: ErrorKind
    gold: tuple[Span, ...]
    predicted: tuple[Span, ...]

    @property
    def start(self) -> int:
        """First character of all its entities."""
        return min(span.start for span in (*self.gold, *self.predicted))

    @property
    def end(self) -> int:
        """One after the last character of all its entities."""
        return max(span.end for span in (*self.gold, *self.predicted))


def find_span_errors(gold: Iterable[Span], predicted: Iterable[Span]) -> list[SpanError]:
    """Return the errors of one sentence in the order of its text; exact matches are not errors."""
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
    """(gold type, predicted type) → how many entities, over (gold, predicted) of each sentence.

    Entities are compared where they have exactly the same characters; None stands for no such entity on that side. So
    the counts of a gold type over all columns add up to the gold entities of the type, and likewise for predictions.
    """
    counts: Counter[tuple[str | None, str | None]] = Counter()
    for gold, predicted in sentences:
        of_gold = {(span.start, span.end): span.label for span in gold}
        of_predicted = {(span.start, span.end): span.label for span in predicted}
        counts.update((of_gold.get(ends), of_predicted.get(ends)) for ends in of_gold.keys() | of_predicted.keys())
    return counts

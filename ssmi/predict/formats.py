r"""Texts with their entities in formats for people and annotation tools, written piece by piece.

Every piece can be encoded as UTF-8: JSON escapes a lone surrogate (``\ud800``), so that a reader gets the text as it
was given; CoNLL, which has no escapes, replaces it by U+FFFD.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ssmi.pipeline.contract.labels import LabelSet, Span
from ssmi.pipeline.writers import formats
from ssmi.predict.entity import Entity
from ssmi.predict.input.reading import Record

Tagged = tuple[Record, Sequence[Entity]]
DIGITS = 6
"""Decimal digits of a score."""

_NOT_IN_CONLL = re.compile("[\n\r\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Origin:
    """Facts about the tagger that a format may include."""

    labels: LabelSet
    version: str
    sources: bool = False
    """Whether rows state for each entity whether the run found it or the user named it; used by JSONL only."""


def jsonl(rows: Iterable[Tagged], origin: Origin) -> Iterator[str]:
    """One object per line: the text, the fields of its record, ``entities``."""
    return formats.jsonl(_rows(rows, sources=origin.sources), _style(origin))


def doccano(rows: Iterable[Tagged], origin: Origin) -> Iterator[str]:
    """JSONL for doccano's sequence labelling: ``label`` contains ``[start, end, type]``."""
    return formats.doccano(_rows(rows), _style(origin))


def conll(rows: Iterable[Tagged], origin: Origin) -> Iterator[str]:
    """One character, a tab and its tag per line; a blank line after each text. Blanks and tabs are kept.

    Tags are in the run's scheme. A line end inside a text is written as U+FFFD.
    """
    plain = (replace(row, text=_NOT_IN_CONLL.sub("\ufffd", row.text)) for row in _rows(rows))
    return formats.conll(plain, _style(origin))


def label_studio(rows: Iterable[Tagged], origin: Origin) -> Iterator[str]:
    """Label Studio's array of tasks with predictions, for a ``<Labels name="label" toName="text">``.

    A task's score is that of the least certain entity that the run found; Label Studio's data manager can sort by it.
    """
    return formats.label_studio(_rows(rows), _style(origin))


Format = Callable[[Iterable[Tagged], Origin], Iterator[str]]
FORMATS: Mapping[str, Format] = {
    "jsonl": jsonl,
    "conll": conll,
    "doccano": doccano,
    "label-studio": label_studio,
}


def _rows(tagged: Iterable[Tagged], *, sources: bool = False) -> Iterator[formats.LabelledText]:
    for record, entities in tagged:
        spans = [Span(one.start, one.end, one.label) for one in entities]
        details = [{"score": _score(one), **({"source": one.source} if sources else {})} for one in entities]
        scores = [_score(one) for one in entities if one.source == "model"]
        yield formats.LabelledText(record.text, spans, details, min(scores, default=None), record.fields)


def _score(entity: Entity) -> float:
    return round(entity.score, DIGITS)


def _style(origin: Origin) -> formats.Style:
    return formats.Style(origin.labels.scheme, origin.version)

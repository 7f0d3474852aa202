r"""Texts with their entities, written for people and for annotation tools; a piece of output at a time.

Every piece can be encoded as UTF-8: JSON spells a lone surrogate as ``\ud800``, so that what reads it back gets the
text as it was given; CoNLL, which has no escapes, writes U+FFFD in its place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.contract.labels import LabelSet, Span, spans_to_tags
from ssmi.entity import Entity
from ssmi.reading import TEXT_FIELD, Record

Tagged = tuple[Record, Sequence[Entity]]
DIGITS = 6
"""Of a score, behind the point."""

_NOT_IN_CONLL = re.compile("[\n\r\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Origin:
    """What a format may want to say of the tagger."""

    labels: LabelSet
    version: str
    sources: bool = False
    """Whether rows say of each entity if the run found it or it is a person's own; JSONL alone does."""


def jsonl(rows: Iterable[Tagged], origin: Origin) -> Iterator[str]:
    """One object a line: the text, the fields that it came with, ``entities``."""
    for record, entities in rows:
        found = [_row(one, origin) for one in entities]
        yield _json({TEXT_FIELD: record.text, **record.fields, "entities": found}) + "\n"


def doccano(rows: Iterable[Tagged], origin: Origin) -> Iterator[str]:
    """JSONL for doccano, sequence labelling: ``label`` holds ``[start, end, type]``."""
    for record, entities in rows:
        found = [[one.start, one.end, one.label] for one in entities]
        yield _json({TEXT_FIELD: record.text, **record.fields, "label": found}) + "\n"


def conll(rows: Iterable[Tagged], origin: Origin) -> Iterator[str]:
    """A character, a tab, its tag; a blank line behind each text. Blank characters and tabs stand as they are.

    Tags are of the run's scheme. A line end inside a text is written as U+FFFD.
    """
    for record, entities in rows:
        spans = [Span(one.start, one.end, one.label) for one in entities]
        tags = spans_to_tags(spans, n_characters=len(record.text), scheme=origin.labels.scheme)
        text = _NOT_IN_CONLL.sub("\ufffd", record.text)
        yield "".join(f"{character}\t{tag}\n" for character, tag in zip(text, tags, strict=True)) + "\n"


def label_studio(rows: Iterable[Tagged], origin: Origin) -> Iterator[str]:
    """Label Studio's array of tasks with predictions, for a ``<Labels name="label" toName="text">``.

    A task's score is that of the least certain entity that the run found, by which its data manager can sort.
    """
    yield "["
    for number, (record, entities) in enumerate(rows):
        prediction: dict[str, Any] = {"model_version": origin.version, "result": [_region(one) for one in entities]}
        scores = [_score(one) for one in entities if one.source == "model"]
        if scores:
            prediction["score"] = min(scores)
        task = {"data": {TEXT_FIELD: record.text, **record.fields}, "predictions": [prediction]}
        yield ("," if number else "") + "\n" + _json(task)
    yield "\n]\n"


Format = Callable[[Iterable[Tagged], Origin], Iterator[str]]
FORMATS: Mapping[str, Format] = {
    "jsonl": jsonl,
    "conll": conll,
    "doccano": doccano,
    "label-studio": label_studio,
}


def _row(entity: Entity, origin: Origin) -> dict[str, Any]:
    row = {
        "start": entity.start,
        "end": entity.end,
        "label": entity.label,
        "text": entity.text,
        "score": _score(entity),
    }
    return row | {"source": entity.source} if origin.sources else row


def _region(entity: Entity) -> dict[str, Any]:
    return {
        "id": f"{entity.start}-{entity.end}",
        "from_name": "label",
        "to_name": "text",
        "type": "labels",
        "score": _score(entity),
        "value": {"start": entity.start, "end": entity.end, "text": entity.text, "labels": [entity.label]},
    }


def _score(entity: Entity) -> float:
    return round(entity.score, DIGITS)


def _json(body: Mapping[str, Any]) -> str:
    text = json.dumps(body, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(body)
    return text

"""Writers of texts with entities in common exchange formats; each yields the output a piece at a time.

Offsets are half-open and count code points. A row that a format cannot represent is refused by its place in the source,
never changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.labels import Span, TagScheme, spans_to_tags
from ssmi.pipeline.contract.text.json_text import dumps
from ssmi.pipeline.readers.entities.tag_spelling import may_be_tag
from ssmi.pipeline.readers.formats.bracket import to_bracket
from ssmi.pipeline.readers.sentence import Sentence

TEXT_FIELD = "text"
_LINE_END = re.compile(r"[\n\r]")
_QUOTED = re.compile(r'[,"\n\r]')
_BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text, its entities, and further information about them."""

    text: str
    entities: Sequence[Span]
    details: Sequence[Mapping[str, Any]] | None = None
    """More about each entity, such as ``score`` from a tagger."""
    score: float | None = None
    """Score of the whole row, by which Label Studio can sort."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Other fields of the row that holds the text."""
    where: str = ""
    """Name of the row in error messages."""


@dataclass(frozen=True, slots=True)
class Style:
    """Options of a format."""

    scheme: TagScheme = "BIO"
    model_version: str | None = None
    """Version of the tagger; None for entities that people marked."""


def jsonl(rows: Iterable[LabelledText], style: Style) -> Iterator[str]:
    """Write one JSON object per line: the text, its other fields and ``entities``."""
    for row in rows:
        entities = [
            {"start": one.start, "end": one.end, "label": one.label, "text": row.text[one.start : one.end], **details}
            for one, details in _detailed(row)
        ]
        yield dumps({TEXT_FIELD: row.text, **row.fields, "entities": entities}) + "\n"


def doccano(rows: Iterable[LabelledText], style: Style) -> Iterator[str]:
    """Write JSONL for sequence labelling in doccano: ``label`` holds a ``[start, end, type]`` per entity."""
    for row in rows:
        spans = [[one.start, one.end, one.label] for one in row.entities]
        yield dumps({TEXT_FIELD: row.text, **row.fields, "label": spans}) + "\n"


def conll(rows: Iterable[LabelledText], style: Style) -> Iterator[str]:
    """Write a character, a tab and its tag per line, and a blank line after each text.

    Blank characters and tabs are written unchanged.

    Raises:
        InputDataError: A text holds a line end, or an entity type cannot be part of a tag.
    """
    first = True
    for row in rows:
        line_end = _LINE_END.search(row.text)
        if line_end is not None:
            raise InputDataError(
                f"{row.where}: character {line_end.start() + 1} of the text is a line end, which rows of characters "
                "cannot hold",
                next_step="write jsonl, doccano, label-studio, cluener, w2ner, csv or bracket, which can",
            )
        tags = _tags(row, style)
        lines = "".join(f"{character}\t{tag}\n" for character, tag in zip(row.text, tags, strict=True))
        # readers take the first of two byte order marks for that of the file, and the second for a character
        yield (_BOM if first and row.text.startswith(_BOM) else "") + lines + "\n"
        first = False


def label_studio(rows: Iterable[LabelledText], style: Style) -> Iterator[str]:
    """Write Label Studio's array of tasks, for a ``<Labels name="label" toName="text">``.

    A tagger's entities become predictions, those that people marked become annotations.
    """
    yield "["
    for number, row in enumerate(rows):
        result = [_region(row, one, details) for one, details in _detailed(row)]
        body: dict[str, Any] = {TEXT_FIELD: row.text, **row.fields}
        if style.model_version is None:
            task = {"data": body, "annotations": [{"result": result}]}
        else:
            prediction: dict[str, Any] = {"model_version": style.model_version, "result": result}
            if row.score is not None:
                prediction["score"] = row.score
            task = {"data": body, "predictions": [prediction]}
        yield ("," if number else "") + "\n" + dumps(task)
    yield "\n]\n"


def cluener(rows: Iterable[LabelledText], style: Style) -> Iterator[str]:
    """Write CLUENER's rows: type → mention → positions of its first and last character."""
    for row in rows:
        types: dict[str, dict[str, list[list[int]]]] = {}
        for one in row.entities:
            mentions = types.setdefault(one.label, {})
            mentions.setdefault(row.text[one.start : one.end], []).append([one.start, one.end - 1])
        yield dumps({TEXT_FIELD: row.text, **row.fields, "label": types}) + "\n"


def w2ner(rows: Iterable[LabelledText], style: Style) -> Iterator[str]:
    """Write W2NER's array: ``sentence`` holds the characters, ``ner`` the positions of each entity's characters."""
    yield "["
    for number, row in enumerate(rows):
        entities = [{"index": list(range(one.start, one.end)), "type": one.label} for one in row.entities]
        yield ("," if number else "") + "\n" + dumps({**row.fields, "sentence": list(row.text), "ner": entities})
    yield "\n]\n"


def bracket(rows: Iterable[LabelledText], style: Style) -> Iterator[str]:
    """Write one sentence per line, with entities as ``[text|TYPE]``."""
    for row in rows:
        yield to_bracket(Sentence(tuple(row.text), tuple(row.entities), 1)) + "\n"


def csv_table(rows: Iterable[LabelledText], style: Style) -> Iterator[str]:
    """Write one row per character: the number of its sentence, the character and its tag.

    Raises:
        InputDataError: An entity type cannot be part of a tag.
    """
    yield "sentence_id,token,tag\n"
    for number, row in enumerate(rows, start=1):
        tags = _tags(row, style)
        cells = zip(map(_cell, row.text), map(_cell, tags), strict=True)
        yield "".join(f"{number},{character},{tag}\n" for character, tag in cells)


Format = Callable[[Iterable[LabelledText], Style], Iterator[str]]
FORMATS: Mapping[str, Format] = {
    "jsonl": jsonl,
    "conll": conll,
    "bracket": bracket,
    "doccano": doccano,
    "label-studio": label_studio,
    "cluener": cluener,
    "w2ner": w2ner,
    "csv": csv_table,
}


def _tags(row: LabelledText, style: Style) -> list[str]:
    wrong = next((one.label for one in row.entities if not may_be_tag(f"B-{one.label}")), None)
    if wrong is not None:
        raise InputDataError(
            f"{row.where or repr(row.text[:20])}: entity type {wrong!r} cannot stand in a tag: it holds white "
            "space, a mark that does not show or a second tag",
            next_step="rename it (--tag-map, in Python tag_map), or write jsonl, doccano, label-studio, cluener, w2ner "
            "or bracket, which can",
        )
    return spans_to_tags(row.entities, n_characters=len(row.text), scheme=style.scheme)


def _cell(text: str) -> str:
    # by hand: Python's csv leaves a carriage return unquoted, which no reader accepts
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text


def _detailed(row: LabelledText) -> Iterator[tuple[Span, Mapping[str, Any]]]:
    return zip(row.entities, row.details if row.details is not None else [{}] * len(row.entities), strict=True)


def _region(row: LabelledText, entity: Span, details: Mapping[str, Any]) -> dict[str, Any]:
    text = row.text[entity.start : entity.end]
    region: dict[str, Any] = {
        "id": f"{entity.start}-{entity.end}",
        "from_name": "label",
        "to_name": "text",
        "type": "labels",
    }
    if "score" in details:
        region["score"] = details["score"]
    region["value"] = {"start": entity.start, "end": entity.end, "text": text, "labels": [entity.label]}
    return region

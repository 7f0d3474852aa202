"""Texts with their entities in the formats that people exchange, a piece of output at a time.

Offsets are half-open and count code points. What a format cannot say is refused with the row's number, never changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.labels import Span, TagScheme, spans_to_tags
from ssmi.pipeline.contract.text.json_text import dumps
from ssmi.pipeline.readers.formats.bracket import to_bracket
from ssmi.pipeline.readers.schemes import may_be_tag
from ssmi.pipeline.readers.sentence import Sentence

TEXT_FIELD = "text"
_LINE_END = re.compile(r"[\n\r]")
_QUOTED = re.compile(r'[,"\n\r]')
_BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text, its entities, and what else is known of them."""

    text: str
    entities: Sequence[Span]
    details: Sequence[Mapping[str, Any]] | None = None
    """More about each entity, such as ``score`` from a tagger."""
    score: float | None = None
    """Score of the whole row, by which Label Studio can sort."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """What stood beside the text."""
    where: str = ""
    """What refusals call the row."""


@dataclass(frozen=True, slots=True)
class Style:
    """What a format may want to know besides."""

    scheme: TagScheme = "BIO"
    model_version: str | None = None
    """Version of the tagger; None for entities that people marked."""


def jsonl(rows: Iterable[LabelledText], style: Style) -> Iterator[str]:
    """One object a line: the text, the fields that it came with, ``entities``."""
    for row in rows:
        entities = [
            {"start": one.start, "end": one.end, "label": one.label, "text": row.text[one.start : one.end], **details}
            for one, details in _detailed(row)
        ]
        yield dumps({TEXT_FIELD: row.text, **row.fields, "entities": entities}) + "\n"


def doccano(rows: Iterable[LabelledText], style: Style) -> Iterator[str]:
    """JSONL for doccano, sequence labelling: ``label`` holds ``[start, end, type]``."""
    for row in rows:
        spans = [[one.start, one.end, one.label] for one in row.entities]
        yield dumps({TEXT_FIELD: row.text, **row.fields, "label": spans}) + "\n"


def conll(rows: Iterable[LabelledText], style: Style) -> Iterator[str]:
    """A character, a tab, its tag; a blank line after each text. Blank characters and tabs stand as they are.

    Raises:
        InputDataError: For a line end inside a text and for a type that cannot stand in a tag.
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
        # of two marks the first is taken for that of the file, and the second for the character that it is here
        yield (_BOM if first and row.text.startswith(_BOM) else "") + lines + "\n"
        first = False


def label_studio(rows: Iterable[LabelledText], style: Style) -> Iterator[str]:
    """Label Studio's array of tasks, for a ``<Labels name="label" toName="text">``.

    Entities of a tagger become predictions, those of people annotations.
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
    """CLUENER's rows: type → mention → positions of its first and last character."""
    for row in rows:
        types: dict[str, dict[str, list[list[int]]]] = {}
        for one in row.entities:
            mentions = types.setdefault(one.label, {})
            mentions.setdefault(row.text[one.start : one.end], []).append([one.start, one.end - 1])
        yield dumps({TEXT_FIELD: row.text, **row.fields, "label": types}) + "\n"


def w2ner(rows: Iterable[LabelledText], style: Style) -> Iterator[str]:
    """W2NER's array: ``sentence`` holds the characters, ``ner`` the positions of each entity's."""
    yield "["
    for number, row in enumerate(rows):
        entities = [{"index": list(range(one.start, one.end)), "type": one.label} for one in row.entities]
        yield ("," if number else "") + "\n" + dumps({**row.fields, "sentence": list(row.text), "ner": entities})
    yield "\n]\n"


def bracket(rows: Iterable[LabelledText], style: Style) -> Iterator[str]:
    """A sentence a line, its entities as ``[text|TYPE]``."""
    for row in rows:
        yield to_bracket(Sentence(tuple(row.text), tuple(row.entities), 1)) + "\n"


def csv_table(rows: Iterable[LabelledText], style: Style) -> Iterator[str]:
    """A row a character: the number of its sentence, the character, its tag.

    Raises:
        InputDataError: For a type that cannot stand in a tag.
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
            next_step="rename it (--tag-map of `data convert`), or write jsonl, doccano, label-studio, cluener, w2ner "
            "or bracket, which can",
        )
    return spans_to_tags(row.entities, n_characters=len(row.text), scheme=style.scheme)


def _cell(text: str) -> str:
    # by hand: Python's csv leaves a carriage return bare, and no reader takes it so
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

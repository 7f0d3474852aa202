"""Rows of any file as objects: ``text`` with character spans, or ``tokens`` with tags.

Spans are in a list under ``entities``, ``labels``, ``label`` or ``spans``. Each is ``[start, end, type]`` or an object
with ``start``/``end`` (``start_offset``, ``start_idx``, ...) and ``label`` or ``type``. Offsets are half-open and count
Unicode code points, or UTF-16 units if the file or its data set indicates so. A row may also be a pair as spaCy's
training data has them: ``["text", {"entities": [[0, 2, "PER"]]}]``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ssmi.pipeline.contract.errors import InputDataError, closest_name
from ssmi.pipeline.contract.text.wording import counted
from ssmi.pipeline.readers.entities.characters import TokenCensus, in_characters
from ssmi.pipeline.readers.entities.schemes import TagCensus, read_tags
from ssmi.pipeline.readers.entities.spans import EMPTY_TEXT, Marked, RawSpan, marked_sentences
from ssmi.pipeline.readers.options import ReadOptions
from ssmi.pipeline.readers.raw.json_values import Value
from ssmi.pipeline.readers.rows.fields import raw_span, show, text_field
from ssmi.pipeline.readers.sentence import ReadReport, Sentence

SPAN_KEYS = ("entities", "labels", "label", "spans")
TAG_KEYS = ("tags", "ner_tags")
START_KEYS = ("start", "start_offset", "start_idx", "begin")
END_KEYS = ("end", "end_offset", "end_idx")
TYPE_KEYS = ("label", "type", "entity_type", "category", "tag", "entity")
QUOTE_KEYS = ("text", "entity", "word", "mention", "value", "name")
"""Fields of an entity that may repeat its text; ``entity`` is the type instead if no other field holds one."""
LOST_KEYS = {"relations": "relation", "cats": "category-of-a-text", "Comments": "comment", "comments": "comment"}
"""Lists and objects beside the entities, with the reason under which their items are counted as skipped."""

REJECTED = "rejected-or-ignored-answer"
"""Rows of Prodigy whose annotation the annotator did not accept."""
_PRODIGY = "_task_hash"
"""A key that every row of Prodigy has."""

_FORM = 'write rows as {"text": "李明在京", "entities": [[0, 2, "PER"]]} or {"tokens": [...], "tags": [...]}'

RowSource = Callable[[ReadReport | None], Iterator[Value]]
"""Function that reads a file from the start, and counts what it skips in the report if one is given."""


def read_rows(
    rows: RowSource, *, path: Path, options: ReadOptions, report: ReadReport, labels: tuple[str, ...] | None = None
) -> Iterator[Sentence]:
    """Yield one sentence per row; the first row determines whether the file holds spans or tags.

    Of entities that overlap or nest the longest is kept (of equal lengths the first); the others are counted as
    skipped, as are rows without characters, answers of Prodigy that were not accepted, and the items under
    ``LOST_KEYS``. Text is taken unchanged, including line breaks. Tokens of several characters are split into
    characters.

    Args:
        rows: Function that reads the rows; called for each pass over the file.
        path: The file, for messages.
        options: The options for reading.
        report: The report to fill.
        labels: The file's own names of tags that are numbers, used if the options have none.

    Raises:
        InputDataError: With the number of the row: it is not such an object, has different entities under two keys,
            offsets outside the text, or an entity that quotes a different text.
    """
    with closing(_objects(rows, None)) as objects:
        first = next(objects, None)
    if first is not None and "tokens" in first.body and "text" not in first.body:
        place = f"{path} row" if first.in_array else path
        yield from _read_tagged(rows, place=place, labels=options.labels or labels, report=report)
        return
    yield from marked_sentences(partial(_marked, rows), path=path, options=options, report=report)


def _marked(rows: RowSource, report: ReadReport) -> Iterator[Marked]:
    for value in _objects(rows, report):
        row, where = value.body, value.where
        if not isinstance(row.get("text"), str):
            close = None if "text" in row else closest_name("text", row)
            hint = "" if close is None else f" (there is {close!r})"
            raise _wrong(where, f"no string under 'text'{hint}")
        text = text_field(row["text"], name="text", where=where)
        yield Marked(value.number, text, [_span(item, where=where) for item in _span_list(row, where=where)], where)


def _read_tagged(
    rows: RowSource, *, place: Path | str, labels: tuple[str, ...] | None, report: ReadReport
) -> Iterator[Sentence]:
    census, token_census = TagCensus(place, labels=labels), TokenCensus(place)
    # Without a report, because the second pass would count everything again.
    for value in _objects(rows, None):
        for token, tag in zip(*_tokens_and_tags(value), strict=True):
            token_census.add(token, value.number)
            census.add(tag, value.number)
        token_census.end()
        census.end()
    token_census.finish()
    notation, writes_blanks = census.notation(report), token_census.writes_blanks
    for value in _objects(rows, report):
        tokens, tags = _tokens_and_tags(value)
        line = value.number
        if not tokens:
            report.skip(EMPTY_TEXT, line)
            continue
        spans = read_tags(tags, notation=notation, line=line, step=0, report=report)
        yield in_characters(tokens, spans, line=line, step=0, report=report, writes_blanks=writes_blanks)


def _objects(rows: RowSource, report: ReadReport | None) -> Generator[Value, None, None]:
    for value in rows(report):
        if _is_spacy_pair(value.body):
            value = replace(value, body={**value.body[1], "text": value.body[0]})
        if not isinstance(value.body, dict):
            raise _wrong(value.where, "not a JSON object")
        if _PRODIGY in value.body and value.body.get("answer") in ("reject", "ignore"):
            if report is not None:
                report.skip(REJECTED, value.number)
            continue
        if report is not None:
            for key, reason in LOST_KEYS.items():
                for _ in value.body[key] if isinstance(value.body.get(key), (list, dict)) else ():
                    report.skip(reason, value.number)
        yield value


def _is_spacy_pair(body: Any) -> bool:
    return isinstance(body, list) and len(body) == 2 and isinstance(body[0], str) and isinstance(body[1], dict)


def _span_list(row: Mapping[str, Any], *, where: str) -> list[Any]:
    present = [key for key in SPAN_KEYS if key in row]
    if not present:
        raise InputDataError(
            f"{where}: no entities (one of {', '.join(SPAN_KEYS)})",
            next_step=f"if the file is unlabelled (like CLUENER's test file), remove it from the folder, else {_FORM}",
        )
    key, *others = [key for key in present if row[key]] or present  # keys with empty values are ignored
    items = row[key] if row[key] is not None else []
    if not isinstance(items, list):
        raise _wrong(where, f"{key!r} is not a list")
    for other in others:
        if _are_spans(row[other]) and _same_spans(row[other], where) != _same_spans(items, where):
            raise InputDataError(
                f"{where}: {key!r} and {other!r} name different entities",
                next_step="keep the one that is right, and take the other out of the rows",
            )
    return items


def _are_spans(value: Any) -> bool:
    """Whether a field holds entities; ``label`` may be the label of the whole text, and ``labels`` a list of those."""
    return isinstance(value, list) and any(isinstance(item, (list, dict)) for item in value)


def _same_spans(items: list[Any], where: str) -> set[tuple[int, int, str]]:
    return {(span.start, span.end, span.label) for span in (_span(item, where=where) for item in items)}


def _span(item: Any, *, where: str) -> RawSpan:
    quoted: tuple[str, ...] = ()
    if isinstance(item, dict):
        start, end = _first(item, START_KEYS)[1], _first(item, END_KEYS)[1]
        type_key, label = _first(item, TYPE_KEYS)
        several = item.get("labels")  # Label Studio's CSV
        if not type_key and isinstance(several, list) and len(several) == 1:
            label = several[0]
        quoted = tuple(item[key] for key in QUOTE_KEYS if key != type_key and isinstance(item.get(key), str))
    elif isinstance(item, list) and len(item) == 3:
        start, end, label = item
    else:
        raise _wrong(where, f"entity {show(item)} is neither [start, end, type] nor an object")
    if not label:
        raise _wrong(where, f"entity {show(item)} needs two whole numbers and a type")
    return raw_span(start, end, label, where=where)._replace(quoted=quoted, display_name=show(item))


def _first(item: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[str, Any]:
    """Return the first of the keys that an object has, and its value."""
    return next(((key, item[key]) for key in keys if key in item), ("", None))


def _tokens_and_tags(value: Value) -> tuple[list[str], list[str]]:
    """Return the tokens and tags of a row; tags that are numbers are returned as digits."""
    row, where = value.body, value.where
    tokens = row.get("tokens")
    tags = next((row[key] for key in TAG_KEYS if key in row), None)
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise _wrong(where, "no list of strings under tokens")
    if not isinstance(tags, list) or not all(isinstance(tag, str) or type(tag) is int for tag in tags):
        raise _wrong(where, f"no list of tags under {' or '.join(TAG_KEYS)}")
    if len(tokens) != len(tags):
        raise _wrong(where, f"{counted(len(tokens), 'token')} but {counted(len(tags), 'tag')}")
    if "" in tokens:
        raise _wrong(where, "an empty token")
    tags = [str(tag) for tag in tags]
    text_field("".join((*tokens, *tags)), name="tokens", where=where)
    return tokens, tags


def _wrong(where: str, what: str) -> InputDataError:
    return InputDataError(
        f"{where}: {what}",
        next_step=_FORM,
    )

"""JSON lines: ``text`` with character spans, or ``tokens`` with tags.

Spans stand under ``entities``, ``labels``, ``label`` or ``spans``, each ``[start, end, type]`` or an object with
``start``/``end`` (doccano: ``start_offset``/``end_offset``) and ``label`` or ``type``. Offsets are half-open and count
Unicode code points.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from pipeline.contract.errors import InputDataError, at_line, nearest
from pipeline.contract.labels import Span
from pipeline.readers.lines import numbered_lines
from pipeline.readers.options import ReadOptions
from pipeline.readers.schemes import TagCensus, read_tags
from pipeline.readers.sentence import ReadReport, Sentence

SPAN_KEYS = ("entities", "labels", "label", "spans")
TAG_KEYS = ("tags", "ner_tags")
BLANK_LINE = "blank-line"
EMPTY_TEXT = "empty-text"
OVERLAPPING_ENTITY = "overlapping-entity"


def read_jsonl(path: Path, options: ReadOptions, report: ReadReport) -> Iterator[Sentence]:
    """Yield one sentence for each row; the first row tells whether the file holds spans or tags.

    Of entities that overlap or nest the longer stays (of equals the earlier); the others are counted as skipped.
    Blank lines and rows without characters are skipped and counted. Text is taken as it is, line breaks included.

    Raises InputDataError with ``file:line`` for rows that are not such objects and offsets outside the text.
    """
    with closing(_rows(path, None)) as rows:
        _, first = next(rows, (0, {}))
    if "tokens" in first and "text" not in first:
        yield from _read_tagged(path, report)
    else:
        yield from _read_spans(path, report)


def _read_spans(path: Path, report: ReadReport) -> Iterator[Sentence]:
    for line, row in _rows(path, report):
        text = row.get("text")
        if not isinstance(text, str):
            hint = "" if "text" in row else f", {nearest('text', row)}"
            raise _wrong(path, line, f"no string under 'text'{hint}")
        _check_text(text, path=path, line=line)
        entities = [_span(item, text=text, path=path, line=line) for item in _span_list(row, path=path, line=line)]
        if not text:
            report.skip(EMPTY_TEXT, line)
            continue
        yield Sentence(tuple(text), _without_overlaps(entities, line=line, report=report), line)


def _read_tagged(path: Path, report: ReadReport) -> Iterator[Sentence]:
    census = TagCensus(path)
    for line, row in _rows(path, None):
        for tag in _tokens_and_tags(row, path=path, line=line)[1]:
            census.add(tag, line)
    scheme = report.scheme = census.scheme()
    for line, row in _rows(path, report):
        tokens, tags = _tokens_and_tags(row, path=path, line=line)
        if not tokens:
            report.skip(EMPTY_TEXT, line)
            continue
        yield Sentence(tuple(tokens), read_tags(tags, scheme=scheme, line=line, step=0, report=report), line)


def _rows(path: Path, report: ReadReport | None) -> Generator[tuple[int, dict[str, Any]], None, None]:
    for line, text in numbered_lines(path):
        if not text.strip():
            if report is not None:
                report.skip(BLANK_LINE, line)
            continue
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _wrong(path, line, f"not JSON ({error})") from None
        if not isinstance(row, dict):
            raise _wrong(path, line, "not a JSON object")
        yield line, row


def _span_list(row: dict[str, Any], *, path: Path, line: int) -> list[Any]:
    key = next((key for key in SPAN_KEYS if key in row), None)
    if key is None:
        raise _wrong(path, line, f"no entities (one of {', '.join(SPAN_KEYS)})")
    items = row[key] if row[key] is not None else []
    if not isinstance(items, list):
        raise _wrong(path, line, f"{key!r} is not a list")
    return items


def _span(item: Any, *, text: str, path: Path, line: int) -> Span:
    if isinstance(item, dict):
        start = item.get("start", item.get("start_offset"))
        end = item.get("end", item.get("end_offset"))
        label = item.get("label", item.get("type"))
    elif isinstance(item, list) and len(item) == 3:
        start, end, label = item
    else:
        raise _wrong(path, line, f"entity {_show(item)} is neither [start, end, type] nor an object")
    if type(start) is not int or type(end) is not int or not isinstance(label, str) or not label:
        raise _wrong(path, line, f"entity {_show(item)} needs two whole numbers and a type")
    if start >= end:
        raise _wrong(path, line, f"entity {_show(item)} starts where it ends or later")
    if start < 0 or end > len(text):
        raise _wrong(path, line, f"entity {_show(item)} lies outside the text of {len(text)} code points")
    quoted = item.get("text") if isinstance(item, dict) else None
    if isinstance(quoted, str) and quoted != text[start:end]:
        raise _wrong(path, line, f"entity {_show(item)}: the text holds {text[start:end]!r} there (code points count)")
    _check_text(label, path=path, line=line)
    return Span(start, end, label)


def _tokens_and_tags(row: dict[str, Any], *, path: Path, line: int) -> tuple[list[str], list[str]]:
    tokens = row.get("tokens")
    tags = next((row[key] for key in TAG_KEYS if key in row), None)
    for key, value in (("tokens", tokens), (" or ".join(TAG_KEYS), tags)):
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise _wrong(path, line, f"no list of strings under {key} (tags by name, not by number)")
    if not isinstance(tokens, list) or not isinstance(tags, list) or len(tokens) != len(tags):
        raise _wrong(path, line, f"{len(tokens or [])} tokens but {len(tags or [])} tags")
    if "" in tokens:
        raise _wrong(path, line, "an empty token")
    _check_text("".join((*tokens, *tags)), path=path, line=line)
    return tokens, tags


def _without_overlaps(entities: list[Span], *, line: int, report: ReadReport) -> tuple[Span, ...]:
    kept: list[Span] = []
    # sorted() is stable, so of two entities on one stretch the one written first stays
    for entity in sorted(entities, key=lambda span: (span.start - span.end, span.start)):
        if any(entity.start < other.end and other.start < entity.end for other in kept):
            report.skip(OVERLAPPING_ENTITY, line)
        else:
            kept.append(entity)
    return tuple(sorted(kept))


def _check_text(text: str, *, path: Path, line: int) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise _wrong(path, line, f"half a surrogate pair (\\u{ord(text[error.start]):04x})") from None


def _show(item: Any) -> str:
    return json.dumps(item, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()[:80]


def _wrong(path: Path, line: int, what: str) -> InputDataError:
    return InputDataError(
        f"{at_line(path, line)}: {what}",
        next_step='write rows as {"text": "李明在京", "entities": [[0, 2, "PER"]]} or {"tokens": [...], "tags": [...]}',
    )

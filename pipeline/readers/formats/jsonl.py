"""JSON lines: ``text`` with character spans, or ``tokens`` with tags.

Spans stand under ``entities``, ``labels``, ``label`` or ``spans``, each ``[start, end, type]`` or an object with
``start``/``end`` (``start_offset``, ``start_idx``, ...) and ``label`` or ``type``. Offsets are half-open and count
Unicode code points, or UTF-16 units where the file or its data set says so.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.contract.errors import InputDataError, at_line, nearest
from pipeline.readers.characters import TokenCensus, in_characters
from pipeline.readers.lines import numbered_lines
from pipeline.readers.options import ReadOptions
from pipeline.readers.schemes import TagCensus, read_tags
from pipeline.readers.sentence import ReadReport, Sentence
from pipeline.readers.spans import EMPTY_TEXT, Marked, RawSpan, marked_sentences

SPAN_KEYS = ("entities", "labels", "label", "spans")
TAG_KEYS = ("tags", "ner_tags")
START_KEYS = ("start", "start_offset", "start_idx", "begin")
END_KEYS = ("end", "end_offset", "end_idx")
TYPE_KEYS = ("label", "type", "entity_type", "category", "tag", "entity")
QUOTE_KEYS = ("text", "entity", "word", "mention", "value", "name")
"""Fields of an entity that repeat its text; ``entity`` is its type where no other field is."""
BLANK_LINE = "blank-line"


def read_jsonl(path: Path, options: ReadOptions, report: ReadReport) -> Iterator[Sentence]:
    """Yield one sentence for each row; the first row tells whether the file holds spans or tags.

    Of entities that overlap or nest the longer stays (of equals the earlier); the others are counted as skipped.
    Blank lines and rows without characters are skipped and counted. Text is taken as it is, line breaks included.
    Tokens of several characters are cut into characters.

    Raises InputDataError with ``file:line`` for rows that are not such objects, offsets outside the text and entities
    that quote another text than stands there.
    """
    with closing(_rows(path, options, None)) as rows:
        _, first = next(rows, (0, {}))
    if "tokens" in first and "text" not in first:
        yield from _read_tagged(path, options, report)
        return
    yield from marked_sentences(partial(_marked, path, options), path=path, options=options, report=report)


def _marked(path: Path, options: ReadOptions, report: ReadReport) -> Iterator[Marked]:
    for line, row in _rows(path, options, report):
        text = row.get("text")
        if not isinstance(text, str):
            hint = "" if "text" in row else f", {nearest('text', row)}"
            raise _wrong(path, line, f"no string under 'text'{hint}")
        _check_text(text, path=path, line=line)
        yield Marked(line, text, [_span(item, path=path, line=line) for item in _span_list(row, path=path, line=line)])


def _read_tagged(path: Path, options: ReadOptions, report: ReadReport) -> Iterator[Sentence]:
    census, token_census = TagCensus(path, labels=options.labels), TokenCensus(path)
    for line, row in _rows(path, options, None):
        for token, tag in zip(*_tokens_and_tags(row, path=path, line=line), strict=True):
            token_census.add(token, line)
            census.add(tag, line)
        token_census.end()
        census.end()
    token_census.finish()
    notation, writes_blanks = census.notation(report), token_census.writes_blanks
    for line, row in _rows(path, options, report):
        tokens, tags = _tokens_and_tags(row, path=path, line=line)
        if not tokens:
            report.skip(EMPTY_TEXT, line)
            continue
        spans = read_tags(tags, notation=notation, line=line, step=0, report=report)
        yield in_characters(tokens, spans, line=line, step=0, report=report, writes_blanks=writes_blanks)


def _rows(
    path: Path, options: ReadOptions, report: ReadReport | None
) -> Generator[tuple[int, dict[str, Any]], None, None]:
    for line, text in numbered_lines(path, encoding=options.encoding):
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


def _span(item: Any, *, path: Path, line: int) -> RawSpan:
    quoted: tuple[str, ...] = ()
    if isinstance(item, dict):
        start, end = _first(item, START_KEYS)[1], _first(item, END_KEYS)[1]
        type_key, label = _first(item, TYPE_KEYS)
        quoted = tuple(item[key] for key in QUOTE_KEYS if key != type_key and isinstance(item.get(key), str))
    elif isinstance(item, list) and len(item) == 3:
        start, end, label = item
    else:
        raise _wrong(path, line, f"entity {_show(item)} is neither [start, end, type] nor an object")
    if type(start) is not int or type(end) is not int or not isinstance(label, str) or not label:
        raise _wrong(path, line, f"entity {_show(item)} needs two whole numbers and a type")
    _check_text(label, path=path, line=line)
    return RawSpan(start, end, label, quoted, _show(item))


def _first(item: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[str, Any]:
    """The first of the keys that an object has, and its value."""
    return next(((key, item[key]) for key in keys if key in item), ("", None))


def _tokens_and_tags(row: dict[str, Any], *, path: Path, line: int) -> tuple[list[str], list[str]]:
    """Tokens and tags of a row; tags that are numbers come as their digits."""
    tokens = row.get("tokens")
    tags = next((row[key] for key in TAG_KEYS if key in row), None)
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise _wrong(path, line, "no list of strings under tokens")
    if not isinstance(tags, list) or not all(isinstance(tag, str) or type(tag) is int for tag in tags):
        raise _wrong(path, line, f"no list of tags under {' or '.join(TAG_KEYS)}")
    if len(tokens) != len(tags):
        raise _wrong(path, line, f"{len(tokens)} tokens but {len(tags)} tags")
    if "" in tokens:
        raise _wrong(path, line, "an empty token")
    tags = [str(tag) for tag in tags]
    _check_text("".join((*tokens, *tags)), path=path, line=line)
    return tokens, tags


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

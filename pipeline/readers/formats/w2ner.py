"""W2NER's rows, usually in one array: ``{"sentence": [tokens], "ner": [{"index": [token indices], "type": ...}]}``.

The data may have nested and discontinuous entities. Of nested entities only the longest is kept, and discontinuous
entities are left out; all entities left out are counted as skipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.contract.text.wording import counted
from ssmi.pipeline.readers.entities.characters import TokenCensus, in_characters
from ssmi.pipeline.readers.entities.spans import EMPTY_TEXT, check_label, without_overlaps
from ssmi.pipeline.readers.options import ReadOptions
from ssmi.pipeline.readers.raw.json_values import Value, json_values
from ssmi.pipeline.readers.rows.fields import raw_span, show, text_field
from ssmi.pipeline.readers.sentence import ReadReport, Sentence

DISCONTINUOUS = "discontinuous-entity"


def looks_like_w2ner(row: Mapping[str, Any]) -> bool:
    """Whether the first row has W2NER's two lists."""
    return isinstance(row.get("sentence"), list) and isinstance(row.get("ner"), list)


def read_w2ner(path: Path, options: ReadOptions, report: ReadReport) -> Iterator[Sentence]:
    """Yield the sentence of each row that has tokens.

    Raises:
        InputDataError: With line and row, for rows of a different form and indices outside the sentence.
    """
    census = TokenCensus(path)
    for value, tokens in _rows(path, options, None):
        for token in tokens:
            census.add(token, value.number)
        census.end()
    census.finish()
    for value, tokens in _rows(path, options, report):
        spans = list(_spans(value, len(tokens), report))
        if not tokens:
            report.skip(EMPTY_TEXT, value.number)
            continue
        kept = without_overlaps(spans, line=value.number, report=report)
        yield in_characters(tokens, kept, line=value.number, step=0, report=report, writes_blanks=census.writes_blanks)


def _rows(path: Path, options: ReadOptions, report: ReadReport | None) -> Iterator[tuple[Value, list[str]]]:
    with closing(json_values(path, encoding=options.encoding, report=report)) as values:
        for value in values:
            tokens = value.body.get("sentence") if isinstance(value.body, dict) else None
            if not isinstance(tokens, list):
                raise _wrong(value, "no list of tokens under 'sentence'")
            for token in tokens:
                text_field(token, name="sentence", where=value.where)
            if "" in tokens:
                raise _wrong(value, "an empty token")
            yield value, tokens


def _spans(value: Value, n_tokens: int, report: ReadReport) -> Iterator[Span]:
    entities = value.body.get("ner")
    if not isinstance(entities, list):
        raise _wrong(value, "no list of entities under 'ner'")
    for entity in entities:
        indices = entity.get("index") if isinstance(entity, dict) else None
        if not isinstance(indices, list) or not indices or not all(type(index) is int for index in indices):
            raise _wrong(value, f"entity {show(entity)} has no list of indices under 'index'")
        raw = raw_span(indices[0], indices[-1] + 1, entity.get("type"), where=value.where)
        if min(indices) < 0 or max(indices) >= n_tokens:
            raise _wrong(value, f"entity {show(entity)} lies outside the sentence of {counted(n_tokens, 'token')}")
        check_label(raw.label, where=value.where)
        if any(right != left + 1 for left, right in pairwise(indices)):
            report.skip(DISCONTINUOUS, value.number)
            continue
        yield Span(raw.start, raw.end, raw.label)


def _wrong(value: Value, what: str) -> InputDataError:
    return InputDataError(
        f"{value.where}: {what}",
        next_step='write rows as {"sentence": ["李", "明"], "ner": [{"index": [0, 1], "type": "PER"}]}',
    )

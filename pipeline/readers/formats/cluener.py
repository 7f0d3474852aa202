"""CLUENER's rows: ``{"text": ..., "label": {type: {mention: [[first, last], ...]}}}``.

Usually one row per line, whatever the ending of the file; ``last`` is the position of the mention's last character.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.readers.entities.spans import Marked, RawSpan, marked_sentences
from ssmi.pipeline.readers.options import ReadOptions
from ssmi.pipeline.readers.raw.json_values import json_values
from ssmi.pipeline.readers.rows.fields import raw_span, show, text_field
from ssmi.pipeline.readers.sentence import ReadReport, Sentence


def looks_like_cluener(row: Mapping[str, Any]) -> bool:
    """Whether the first row holds an object under ``label``."""
    return isinstance(row.get("text"), str) and isinstance(row.get("label"), dict)


def read_cluener(path: Path, options: ReadOptions, report: ReadReport) -> Iterator[Sentence]:
    """Yield the sentence of each row; the text at a mention's positions must equal the mention.

    Raises:
        InputDataError: With ``file:line`` for rows of a different form (the rows of CLUENER's test file have no
            ``label``) and mentions that differ from the text.
    """
    return marked_sentences(partial(_rows, path, options), path=path, options=options, report=report)


def _rows(path: Path, options: ReadOptions, report: ReadReport) -> Iterator[Marked]:
    with closing(json_values(path, encoding=options.encoding, report=report)) as values:
        for value in values:
            row = value.body if isinstance(value.body, dict) else {}
            text = text_field(row.get("text"), name="text", where=value.where)
            yield Marked(value.number, text, list(_spans(row.get("label"), where=value.where)), value.where)


def _spans(types: Any, *, where: str) -> Iterator[RawSpan]:
    if not isinstance(types, dict):
        raise _wrong(where, "no object under 'label'")
    for kind, mentions in types.items():
        if not isinstance(mentions, dict):
            raise _wrong(where, f"no object of mentions under {kind!r}")
        for mention, positions in mentions.items():
            if not isinstance(positions, list):
                raise _wrong(where, f"no list of positions under {mention!r}")
            for position in positions:
                if not isinstance(position, list) or len(position) != 2:
                    raise _wrong(where, f"{show(position)} under {mention!r} is not [first, last]")
                first, last = position
                # A value that is not an integer is passed on unchanged, for raw_span to refuse it.
                after = last + 1 if type(last) is int else last
                yield raw_span(first, after, kind, quoted=mention, where=where)


def _wrong(where: str, what: str) -> InputDataError:
    return InputDataError(
        f"{where}: {what}", next_step='write rows as {"text": "李明在京", "label": {"name": {"李明": [[0, 1]]}}}'
    )

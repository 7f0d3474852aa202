"""Whether what is given as text without labels is a labelled file, whose tags would be read as text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from shlex import quote
from typing import Any, Literal

from ssmi.pipeline.contract.labels import OUTSIDE
from ssmi.pipeline.readers.characters import is_chinese
from ssmi.pipeline.readers.column_rows import DOCSTART, split_row
from ssmi.pipeline.readers.formats import brat, columns
from ssmi.pipeline.readers.formats.bracket import ENTITY
from ssmi.pipeline.readers.formats.slash import looks_like_slash
from ssmi.pipeline.readers.rows import SPAN_KEYS
from ssmi.pipeline.readers.schemes import plain_tag

Form = Literal["columns", "slash"]

ENDINGS = (*columns.ENDINGS, ".conllu", ".iob", brat.ANNOTATIONS)
"""Names that only labelled files have."""
WHAT: Mapping[Form, str] = {"columns": "a token and its tag on each line", "slash": "words with a slash and a tag"}
"""What the lines of a labelled file hold, for messages."""

_FEWEST_OUTSIDE = 5
"""Rows without an entity that show a file of characters; fewer lines may end in an O by chance."""
_FEWEST_WORDS = 4
"""Words with a slash that show a tagged text: a text may begin with ``TCP/IP``."""
_BRACKET_TYPE = re.compile(r"\|[A-Z][A-Z0-9_.-]*\]$")
_JSON_SPANS = re.compile(r"\s*\[\s*[\[{]")
_TOKEN_KEYS = (("tokens", "tags"), ("tokens", "ner_tags"), ("sentence", "ner"), ("data", "annotations"))
"""Pairs of keys that only rows of labelled data have, and no ``text``."""


def labelled_form(lines: Sequence[str]) -> Form | None:
    """What the first lines of a file are if they are labelled, None for a text.

    Every line must look labelled, but for blank ones and comments: a text that holds a blank, a slash or an O stays
    a text.
    """
    shown = [line for line in lines if line.strip() and not line.startswith(("#", DOCSTART))]
    if _are_columns(shown):
        return "columns"
    words = [word for line in shown for word in line.split()]
    if len(words) >= _FEWEST_WORDS and any(map(is_chinese, "".join(words))):
        return "slash" if all(looks_like_slash([line]) for line in shown) else None
    return None


def _are_columns(lines: Sequence[str]) -> bool:
    tags: list[str] = []
    tokens_are_characters = True
    for line in lines:
        try:
            row = split_row(line)
        except ValueError:
            return False
        plain = plain_tag(row.tag) if row is not None else None
        if row is None or plain is None:
            return False
        tags.append(plain[0])
        tokens_are_characters &= len(row.token) == 1
    n_outside = tags.count(OUTSIDE)
    if 0 < n_outside < len(tags):
        return True
    # Without both, `维生素 B-12` above `奔驰 E-200` would be taken for tags.
    goes_on = any(
        left[0] in "BIM" and right[0] in "IMEL" and left[2:] == right[2:] != "" for left, right in pairwise(tags)
    )
    return tokens_are_characters and (n_outside >= _FEWEST_OUTSIDE or goes_on)


def bracketed(lines: Sequence[str]) -> str | None:
    """The first entity in brackets, such as ``[李明|PER]``; None where there is none.

    A text may hold such brackets too, so this is a reason for a note only.
    """
    for line in lines:
        for match in ENTITY.finditer(line):
            doubled = line[match.start() - 1 : match.start()] == "[" or line[match.end() : match.end() + 1] == "]"
            if not doubled and _BRACKET_TYPE.search(match[0]):
                return match[0]
    return None


def entity_key(row: Mapping[str, Any]) -> str | None:
    """The key under which a row holds entities beside its text; None where it holds none."""
    for key in SPAN_KEYS:
        value = row.get(key)
        # `label` may be one of the whole text, and `labels` a list of such.
        spans = isinstance(value, list) and any(isinstance(item, list | dict) for item in value)
        as_json = isinstance(value, str) and _JSON_SPANS.match(value)  # in a cell of a table
        if spans or as_json or (isinstance(value, dict) and value):
            return key
    return None


def is_labelled_row(row: Mapping[str, Any]) -> bool:
    """Whether a row holds tokens and their tags, or a task and its annotations, in place of a text."""
    return any(all(key in row for key in keys) for keys in _TOKEN_KEYS)


def ways_out(file: str | Path) -> str:
    """What to do with a labelled file in place of reading it as text."""
    name = quote(str(file))
    return (
        f"`ssmi-cli evaluate --file {name}` scores a run on it; "
        f"`ssmi-cli data convert {name} texts.jsonl --format jsonl` takes its texts out"
    )

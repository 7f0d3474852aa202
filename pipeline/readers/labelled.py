"""Detect labelled files that are given as unlabelled text, because their tags would be read as text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from shlex import quote
from typing import Any, Literal

from ssmi.pipeline.contract.labels import OUTSIDE
from ssmi.pipeline.readers.entities.characters import is_chinese
from ssmi.pipeline.readers.entities.tag_spelling import plain_tag
from ssmi.pipeline.readers.formats import brat, columns
from ssmi.pipeline.readers.formats.bracket import ENTITY
from ssmi.pipeline.readers.formats.slash import looks_like_slash
from ssmi.pipeline.readers.rows.column_rows import DOCSTART, split_row
from ssmi.pipeline.readers.rows.objects import END_KEYS, SPAN_KEYS, START_KEYS

Form = Literal["columns", "slash"]

ENDINGS = (*columns.ENDINGS, ".conllu", ".iob", brat.ANNOTATIONS)
"""File name endings that only labelled files have."""
WHAT: Mapping[Form, str] = {"columns": "a token and its tag on each line", "slash": "words with a slash and a tag"}
"""Descriptions of the lines of a labelled file, for messages."""

_MIN_WORD_ROWS = 5
"""Minimum number of rows of a file of words; fewer lines may end in ``O`` or ``B-SIDE`` by chance."""
_MIN_OUTSIDE_ROWS = 20
"""Minimum number of rows of a file without entities; fewer lines of one character and ``O`` may be a list of ticks."""
_MIN_TAGGED_WORDS = 4
"""Minimum number of words with a slash in a tagged text; an untagged text may begin with ``TCP/IP``."""
_COMMENT = ("# ", "#\t")
_USUAL_TAG = re.compile(r"[BSU]-[A-Z]{2}.*")
_OPENS = re.compile(r"[BI]-[^\W\d_]\w.*")
"""Tags that open or continue an entity; excludes B-12, B-X and M-1, which are names of things."""
_USUAL_PART_OF_SPEECH = re.compile(r"n[rstzhix]?|vn?|p|uj?|wp?|r|[oO]|AD|DE[CG]|N[NRT]|P[NU]|V[CV]|PER|LOC|ORG|GPE")
"""Common tags, which half the words of any tagged text have; excludes units (kg, m, h) and words (``苹果/apple``)."""
_BRACKET_TYPE = re.compile(r"\|[A-Z][A-Z0-9_.-]*\]$")
_TOKEN_KEYS: tuple[tuple[str, type, str], ...] = (
    ("tokens", list, "tags"),
    ("tokens", list, "ner_tags"),
    ("sentence", list, "ner"),
    ("data", dict, "annotations"),
)
"""Keys that only rows of labelled data without ``text`` have: a key, its type, and a second key that holds a list."""


def labelled_form(lines: Sequence[str]) -> Form | None:
    """Return the form of a file if its first lines are labelled; None for a text.

    Every line except blank lines and comments must look labelled, and the tags must be typical of labelled files: a
    text that contains blanks, slashes or an ``O`` remains a text.
    """
    # Files with line ends of two kinds are labelled too, and refused when they are read as such.
    rows = [row for line in lines for row in line.split("\r")]
    shown = [row for row in rows if row.strip() and not row.startswith((*_COMMENT, DOCSTART))]
    if _are_columns(shown):
        return "columns"
    return "slash" if _are_tagged_words(shown) else None


def _are_columns(lines: Sequence[str]) -> bool:
    tags: list[str] = []
    tokens: list[str] = []
    for line in lines:
        try:
            row = split_row(line)
        except ValueError:
            return False
        plain = plain_tag(row.tag) if row is not None else None
        if row is None or plain is None:
            return False
        tokens.append(row.token)
        tags.append(plain[0])
    tokens_are_characters = all(len(token) == 1 for token in tokens)
    n_outside = tags.count(OUTSIDE)
    if n_outside == len(tags):
        # ``0`` is not accepted as ``O`` here, because a text may be the scores of a game.
        spelt = all(line.rstrip().endswith(OUTSIDE) for line in lines)
        return n_outside >= _MIN_OUTSIDE_ROWS and tokens_are_characters and spelt and any(map(is_chinese, tokens))
    if not tokens_are_characters and (not n_outside or len(tags) < _MIN_WORD_ROWS):
        return False
    goes_on = any(
        _OPENS.fullmatch(left) and right[0] in "IMEL" and left[2:] == right[2:] for left, right in pairwise(tags)
    )
    return goes_on or (n_outside > 0 and any(map(_USUAL_TAG.fullmatch, tags)))


def _are_tagged_words(lines: Sequence[str]) -> bool:
    words = [word for line in lines for word in line.split()]
    # With fewer than two words per line, the file is a dictionary: words and their parts of speech.
    if len(words) < max(_MIN_TAGGED_WORDS, 2 * len(lines)) or not any(map(is_chinese, "".join(words))):
        return False
    tags = [word.rpartition("/")[2].partition("]")[0] for word in words]
    n_usual = sum(_USUAL_PART_OF_SPEECH.fullmatch(tag) is not None for tag in tags)
    return 2 * n_usual >= len(words) and all(looks_like_slash([line]) for line in lines)


def bracketed(lines: Sequence[str]) -> str | None:
    """Return the first entity in brackets, such as ``[李明|PER]``; None if there is none.

    Unlabelled text may contain such brackets too, so this justifies only a note.
    """
    for line in lines:
        for match in ENTITY.finditer(line):
            doubled = line[match.start() - 1 : match.start()] == "[" or line[match.end() : match.end() + 1] == "]"
            if not doubled and _BRACKET_TYPE.search(match[0]):
                return match[0]
    return None


def entity_key(row: Mapping[str, Any]) -> str | None:
    """Return the key under which a row holds entities beside its text; None if it holds none."""
    for key in SPAN_KEYS:
        value = row.get(key)
        if isinstance(value, str) and value.lstrip()[:1] == "[":  # in a cell of a table
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                continue
        # `label` may be the label of the whole text, and `labels` a list of those, each with a name and a number.
        if isinstance(value, list) and any(map(_is_span, value)):
            return key
        if isinstance(value, dict) and any(isinstance(named, dict) for named in value.values()):  # CLUENER
            return key
    return None


def _is_span(item: object) -> bool:
    if isinstance(item, dict):
        return not item.keys().isdisjoint(START_KEYS) and not item.keys().isdisjoint(END_KEYS)
    return isinstance(item, list) and len(item) >= 3 and type(item[0]) is int and type(item[1]) is int


def is_labelled_row(row: Mapping[str, Any]) -> bool:
    """Whether a row holds tokens and their tags, or a task and its annotations, instead of a text."""
    return any(
        isinstance(row.get(first), kind) and isinstance(row.get(second), list) for first, kind, second in _TOKEN_KEYS
    )


def suggestions(file: str | Path) -> str:
    """Suggest what to do with a labelled file instead of reading it as text."""
    name = quote(str(file))
    return (
        f"`ssmi-cli evaluate --file {name}` scores a run on it; "
        f"`ssmi-cli data convert {name} texts.jsonl --format jsonl` takes its texts out"
    )

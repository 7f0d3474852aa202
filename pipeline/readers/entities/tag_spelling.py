"""How a single tag is spelt: ``B-ORG`` in its usual form, and the other forms that are read alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from ssmi.pipeline.contract.labels import OUTSIDE

Spelling = Literal["", "outside", "case", "separator", "suffix"]
"""How a tag deviates from the usual form (``B-ORG``): o or 0 for O, b- for B-, B_ for B-, ORG-B for B-ORG."""

SPELT: Mapping[Spelling, str] = {
    "outside": "o and 0 are read as O",
    "case": "roles in small letters are read as capitals (b-ORG as B-ORG)",
    "separator": "another sign between role and type is read as a dash (B_ORG as B-ORG)",
    "suffix": "roles after the type are read as before it (ORG-B as B-ORG)",
}
"""How each unusual spelling is read, for notes."""
ROLES = "BIMESLU"
SEPARATORS = "-_:./|\uff0d\u2013\u2014"
"""Characters that may stand between role and type."""

_ROLE_FIRST = re.compile(rf"([{ROLES}{ROLES.lower()}])([{SEPARATORS}])(.+)", re.DOTALL)
_ROLE_LAST = re.compile(rf"(.+)[-_]([{ROLES}])", re.DOTALL)
_SEVERAL = re.compile(rf".-[^-]+[|/,;+&][{ROLES}]-.+", re.DOTALL)


@lru_cache(maxsize=4096)
def plain_tag(tag: str) -> tuple[str, Spelling] | None:
    """Return a tag normalised to ``O`` or ``<role>-<type>``, and its spelling; None if it is not a tag."""
    if tag == OUTSIDE:
        return OUTSIDE, ""
    if tag in ("o", "0"):
        return OUTSIDE, "outside"
    if match := _ROLE_FIRST.fullmatch(tag):
        role, separator, label = match.groups()
        return f"{role.upper()}-{label}", "separator" if separator != "-" else "" if role.isupper() else "case"
    if match := _ROLE_LAST.fullmatch(tag):
        return f"{match[2]}-{match[1]}", "suffix"
    return None


def may_be_tag(tag: str) -> bool:
    """Whether a string may be a tag: a word of printable characters, and not several tags in one."""
    return is_word(tag) and not is_several(tag)


def is_word(tag: str) -> bool:
    """Whether a string holds neither white space nor characters that do not show."""
    return not any(mark.isspace() or not mark.isprintable() for mark in tag)


def is_several(tag: str) -> bool:
    """Whether a string is several tags in one, such as ``B-PER|B-LOC``."""
    return _SEVERAL.fullmatch(tag) is not None

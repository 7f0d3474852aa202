"""Tag schemes: conversion between spans and tags, and the label set that shards and checkpoints carry.

A tag is ``O`` or ``<role>-<entity type>``. Roles by scheme:
BIO: B I; BMES: B M E S; BIOES: B I E S.

How an ill-formed sequence is read depends on its purpose:
* *gold* tags of a raw file are repaired (``repair_spans``): a stray continuation opens an entity, an entity that
  is never closed ends where its type ends. Nothing an annotator marked is lost, and every repair is counted.
* *predicted* tags are read strictly (``strict_spans``): only B (M|I)* E or S of one type counts (BIO: B I*).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

TagScheme = Literal["BIO", "BMES", "BIOES"]
OUTSIDE = "O"
INSIDE_ROLE: dict[TagScheme, str] = {"BIO": "I", "BMES": "M", "BIOES": "I"}
ROLES: dict[TagScheme, tuple[str, ...]] = {
    "BIO": ("B", "I"),
    "BMES": ("B", "M", "E", "S"),
    "BIOES": ("B", "I", "E", "S"),
}

_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories of controls, halves of surrogate pairs (which no file can hold) and line ends."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open interval ``[start, end)`` of characters with an entity type."""

    start: int
    end: int
    label: str


def is_label(name: str) -> bool:
    """Whether a string can name an entity type: not empty, stripped, without controls and halves of surrogate pairs."""
    return bool(name) and name == name.strip() and _UNPRINTABLE.isdisjoint(map(unicodedata.category, name))


def split_tag(tag: str) -> tuple[str, str]:
    """``B-ORG`` → ``("B", "ORG")``; ``O`` → ``("O", "")``."""
    if tag == OUTSIDE:
        return OUTSIDE, ""
    # Split at the first dash only, because an entity type may contain dashes.
    role, _, label = tag.partition("-")
    return role, label


def spans_to_tags(spans: Iterable[Span], *, n_characters: int, scheme: TagScheme) -> list[str]:
    """Convert non-overlapping spans to one tag per character."""
    tags = [OUTSIDE] * n_characters
    inside = INSIDE_ROLE[scheme]
    for span in spans:
        length = span.end - span.start
        if scheme == "BIO":
            roles = ["B", *[inside] * (length - 1)]
        elif length == 1:
            roles = ["S"]
        else:
            roles = ["B", *[inside] * (length - 2), "E"]
        tags[span.start : span.end] = [f"{role}-{span.label}" for role in roles]
    return tags


def repair_spans(tags: Sequence[str]) -> list[Span]:
    """Read gold tags of any scheme leniently, so that no marked entity is lost.

    A continuation (M, I, E) without an open entity of its type opens one; an open entity that is never closed ends
    where its type ends. Readers count these repairs, by the rules of the file's scheme.
    """
    spans: list[Span] = []
    start, label = -1, ""
    for index, tag in enumerate([*tags, OUTSIDE]):  # an extra O closes an entity at the sentence's end
        role, kind = split_tag(tag)
        if start >= 0 and not (role in ("M", "I", "E") and kind == label):
            spans.append(Span(start, index, label))
            start = -1
        if role == OUTSIDE:
            continue
        if start < 0:
            start, label = index, kind
        if role in ("E", "S"):
            spans.append(Span(start, index + 1, label))
            start = -1
    return spans


def strict_spans(tags: Sequence[str], *, scheme: TagScheme) -> tuple[list[Span], int]:
    """Read predicted tags strictly; return the well-formed spans and the number of ill-formed pieces.

    BMES/BIOES: B (M|I)* E, or S, all of one type. BIO: B I* of one type. An entity that is never closed counts as one
    ill-formed piece, as does each run of continuations without an opening; neither yields a span.
    """
    spans: list[Span] = []
    ill_formed = 0
    start, label = -1, ""
    broken = False  # inside a run of continuations without an opening, which counts once
    for index, tag in enumerate([*tags, OUTSIDE]):  # an extra O closes an entity at the sentence's end
        role, kind = split_tag(tag)
        if start >= 0:
            if role == INSIDE_ROLE[scheme] and kind == label:
                continue
            if scheme == "BIO":
                spans.append(Span(start, index, label))
            elif role == "E" and kind == label:
                spans.append(Span(start, index + 1, label))
                start = -1
                continue
            else:
                ill_formed += 1
            start = -1
        if role == "B":
            start, label, broken = index, kind, False
        elif role == "S":
            spans.append(Span(index, index + 1, kind))
            broken = False
        elif role == OUTSIDE:
            broken = False
        elif not broken:
            ill_formed += 1
            broken = True
    return spans, ill_formed


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The tags of a shard folder. A tag's id is its index in ``tags``; the id of ``O`` is 0."""

    scheme: TagScheme
    entity_types: tuple[str, ...]

    @classmethod
    def of(cls, entity_types: Iterable[str], *, scheme: TagScheme) -> LabelSet:
        """Build a label set from entity types in any order; they are sorted."""
        # Tag ids follow this order, and the order of a set of strings differs between runs.
        return cls(scheme, tuple(sorted(set(entity_types))))

    @property
    def tags(self) -> tuple[str, ...]:
        """``O`` and every role of every type, in id order."""
        return _tags(self.scheme, self.entity_types)

    def tag_ids(self) -> dict[str, int]:
        """Tag → id."""
        return {tag: index for index, tag in enumerate(self.tags)}

    def allows(self, left: str | None, right: str | None) -> bool:
        """Whether ``right`` may follow ``left``; None stands for the sentence's start or end."""
        left_role, left_label = split_tag(left) if left is not None else (OUTSIDE, "")
        right_role, right_label = split_tag(right) if right is not None else (OUTSIDE, "")
        inside = INSIDE_ROLE[self.scheme]
        if self.scheme == "BIO":
            return right_role != inside or (left_role in ("B", inside) and left_label == right_label)
        opened = left_role in ("B", inside)
        if opened:
            return right_role in (inside, "E") and left_label == right_label
        return right_role in (OUTSIDE, "B", "S")


@lru_cache(maxsize=64)
def _tags(scheme: TagScheme, entity_types: tuple[str, ...]) -> tuple[str, ...]:
    """Build the tags, cached because every decoded sentence needs them."""
    return (OUTSIDE, *(f"{role}-{label}" for label in entity_types for role in ROLES[scheme]))

"""Results of the check of a data set; ``dataclasses.asdict`` turns them into plain JSON values."""

from __future__ import annotations

from dataclasses import dataclass, field

from ssmi.pipeline.contract.labels import TagScheme


@dataclass(frozen=True, slots=True)
class Finding:
    """How often something occurs, and the first lines of the raw file on which it does."""

    count: int = 0
    first_lines: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class UnknownCharacters:
    """Characters that the encoder would see as [UNK]."""

    count: int
    distinct: int
    top: list[tuple[str, int]]
    """The most frequent characters and their counts, ties in code-point order."""


@dataclass(frozen=True, slots=True)
class VocabularyMatch:
    """How much of a split the vocabulary covers; shares are 0..1, and 0 if there is nothing to cover."""

    covered_characters: float
    """Share of characters inside at least one vocabulary word."""
    matched_entities: float
    """Share of gold entities that are exactly a vocabulary word."""


@dataclass(frozen=True, slots=True)
class SegmenterMatch:
    """Number of a split's first sentences on which two segmenters disagree."""

    compared_sentences: int
    differing_sentences: int


@dataclass(frozen=True, slots=True)
class SplitCheck:
    """The check of one split's file."""

    file: str
    format: str
    scheme: TagScheme | None
    notes: list[str]
    sentences: int
    characters: int
    longest_sentence: int
    sentences_without_entity: int
    entities: dict[str, int]
    """Entity type → count, sorted by type."""
    repairs: dict[str, Finding]
    skipped: dict[str, Finding]
    duplicates: int
    """Sentences whose text occurs earlier in this split."""
    texts_tagged_two_ways: int
    """Distinct texts that occur with different entities."""
    too_long: Finding
    """Sentences with more characters than the encoder takes at once."""
    unknown_characters: UnknownCharacters
    vocabulary: VocabularyMatch | None
    """None if no vocabulary was given."""
    segmenters: SegmenterMatch | None
    """None if no segmenters were given."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """Sentences of ``split`` whose text also occurs in ``also_in``."""

    split: str
    also_in: str
    sentences: int
    with_other_tags: int
    """Sentences whose entities agree with none of the other split's sentences of that text."""


@dataclass(frozen=True, slots=True)
class DataCheck:
    """The check of all splits of a data set."""

    splits: dict[str, SplitCheck]
    overlaps: list[Overlap]
    """One entry for each pair of a later and an earlier split, also without an overlap."""
    types_unseen_in_train: dict[str, int]
    """Entity type → examples in the other splits; empty without a train split."""
    rare_types: dict[str, int]
    """Entity type → examples in train, for types with fewer than ``FEW_EXAMPLES``."""
    types_alike: list[list[str]]
    """Groups of entity types in all splits that differ only in case."""

"""What the check of a data set reports; ``dataclasses.asdict`` makes plain JSON values of it."""

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
    """The most frequent ones, ties in code-point order."""


@dataclass(frozen=True, slots=True)
class VocabularyMatch:
    """How much of a split the vocabulary reaches; shares are 0..1, and 0 of nothing."""

    covered_characters: float
    """Share of characters inside at least one vocabulary word."""
    matched_entities: float
    """Share of gold entities that are exactly a vocabulary word."""


@dataclass(frozen=True, slots=True)
class SegmenterMatch:
    """On how many of a split's first sentences two segmenters disagree."""

    compared_sentences: int
    differing_sentences: int


@dataclass(frozen=True, slots=True)
class SplitCheck:
    """One file."""

    file: str
    format: str
    scheme: TagScheme | None
    notes: list[str]
    sentences: int
    characters: int
    longest_sentence: int
    sentences_without_entity: int
    entities: dict[str, int]
    """Entity type → count, by name."""
    repairs: dict[str, Finding]
    skipped: dict[str, Finding]
    duplicates: int
    """Sentences whose text stood in this split before."""
    texts_tagged_two_ways: int
    """Distinct texts that occur with different entities."""
    too_long: Finding
    """Sentences of more characters than the encoder takes at once."""
    unknown_characters: UnknownCharacters
    vocabulary: VocabularyMatch | None
    """None where no vocabulary was given."""
    segmenters: SegmenterMatch | None
    """None where no segmenters were given."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """Sentences of ``split`` whose text also stands in ``also_in``."""

    split: str
    also_in: str
    sentences: int
    with_other_tags: int
    """Sentences whose entities agree with none of the other split's sentences of that text."""


@dataclass(frozen=True, slots=True)
class DataCheck:
    """The whole check."""

    splits: dict[str, SplitCheck]
    overlaps: list[Overlap]
    """Every later split against every earlier one, none left out."""
    types_unseen_in_train: dict[str, int]
    """Entity type → examples in the other splits; empty without a train split."""
    rare_types: dict[str, int]
    """Entity type → examples in train, where these are fewer than ``FEW_EXAMPLES``."""
    types_alike: list[list[str]]
    """Groups of entity types, of all splits, that differ in case only."""

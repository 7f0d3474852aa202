"""Entity counts of each sentence of a split, which are all that is needed to compare two runs.

A sentence is named by a digest of its characters and gold entities. Runs with different features, encoders or tag
schemes are thus known to be on the same sentences, and runs on different sentences are recognised.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ssmi.model.evaluation.scoring import EntityCounts, count_sentence
from ssmi.pipeline.contract.labels import Span

_DIGEST_BYTES = 8


@dataclass(frozen=True, slots=True)
class SentenceCounts:
    """The counts of a run on a split: one item per sentence, in the split's order."""

    sentences: Sequence[str]
    """The name of each sentence; see ``name_of``."""
    counts: Sequence[Mapping[str, EntityCounts]]
    """The counts of each sentence by entity type; types neither gold nor predicted in it are left out."""


def count(
    characters: Iterable[Sequence[str]], gold: Sequence[Sequence[Span]], predicted: Sequence[Sequence[Span]]
) -> SentenceCounts:
    """Count the entities of each sentence; ValueError unless all three have one item per sentence."""
    return count_with_names(names_of(characters, gold), gold, predicted)


def count_with_names(
    names: Sequence[str], gold: Sequence[Sequence[Span]], predicted: Sequence[Sequence[Span]]
) -> SentenceCounts:
    """Count the entities of sentences whose names are known, which makes their characters unnecessary."""
    return SentenceCounts(names, [count_sentence(*pair) for pair in zip(gold, predicted, strict=True)])


def names_of(characters: Iterable[Sequence[str]], gold: Sequence[Sequence[Span]]) -> list[str]:
    """Return the ``name_of`` each sentence; ValueError unless both have one item per sentence."""
    return [name_of(text, entities) for text, entities in zip(characters, gold, strict=True)]


def name_of(characters: Sequence[str], gold: Sequence[Span]) -> str:
    """Return a digest of a sentence, equal for the same characters with the same gold entities."""
    body = [list(characters), sorted((span.start, span.end, span.label) for span in gold)]
    # Escaped JSON, because a lone surrogate has no UTF-8.
    return hashlib.blake2b(json.dumps(body).encode(), digest_size=_DIGEST_BYTES).hexdigest()

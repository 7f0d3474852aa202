"""What each sentence of a split adds to the scores: all that is needed to compare two runs.

A sentence is named by a digest of its characters and its gold entities, so that runs on different features, encoders
or label sets of one data set are known to be of the same sentences, and runs on different ones are told apart.
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
class Counted:
    """A run on a split, one item a sentence, in the split's order."""

    sentences: Sequence[str]
    """The name of each: see ``name_of``."""
    counts: Sequence[Mapping[str, EntityCounts]]
    """By entity type; types that are neither gold nor predicted in a sentence are left out."""


def count(
    characters: Iterable[Sequence[str]], gold: Sequence[Sequence[Span]], predicted: Sequence[Sequence[Span]]
) -> Counted:
    """Count sentence by sentence; all three have one item a sentence, else ValueError."""
    return count_named(names_of(characters, gold), gold, predicted)


def count_named(names: Sequence[str], gold: Sequence[Sequence[Span]], predicted: Sequence[Sequence[Span]]) -> Counted:
    """``count`` of sentences that were named before: of their characters nothing else is needed."""
    return Counted(names, [count_sentence(*pair) for pair in zip(gold, predicted, strict=True)])


def names_of(characters: Iterable[Sequence[str]], gold: Sequence[Sequence[Span]]) -> list[str]:
    """``name_of`` each sentence; ValueError unless both have one item a sentence."""
    return [name_of(text, entities) for text, entities in zip(characters, gold, strict=True)]


def name_of(characters: Sequence[str], gold: Sequence[Span]) -> str:
    """A digest of a sentence: equal for the same characters with the same gold entities."""
    body = [list(characters), sorted((span.start, span.end, span.label) for span in gold)]
    # Escaped JSON: a lone surrogate has no UTF-8.
    return hashlib.blake2b(json.dumps(body).encode(), digest_size=_DIGEST_BYTES).hexdigest()

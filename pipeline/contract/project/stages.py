"""The stages of the pipeline, and what is known of each without importing it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class StageOutline(NamedTuple):
    """What the command line, dvc.yaml and paths need to know about a stage."""

    per_dataset: bool
    """Whether each data set has its own output; otherwise all data sets share one."""
    summary: str
    """What the stage turns into what, as a sentence without capital and period."""
    of_corpus: str | None = None
    """Summary for a corpus; None if it is the same."""


STAGES: Mapping[str, StageOutline] = MappingProxyType(
    {
        "vocab": StageOutline(False, "word vectors to vocabulary, trie and character index"),
        "prepare": StageOutline(True, "raw files to sentences with gold entities", "texts to sentences"),
        "segment": StageOutline(True, "sentences to word segments"),
        "embed": StageOutline(True, "segments to vectors, BERT's for those outside the vocabulary"),
        "selection": StageOutline(True, "best boundary, boundary set and negatives of each character by cosine"),
        "pmi": StageOutline(
            True,
            "match events counted on train; each character's local boundary",
            "each character's local boundary by what its data set counted",
        ),
        "shards": StageOutline(True, "all features to the shards that the trainer reads"),
    }
)
"""Every stage, in the order in which they run."""

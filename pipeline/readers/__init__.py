"""Raw file → sentences, one format per file; ``read_sentences`` is the doorway."""

from __future__ import annotations

from ssmi.pipeline.readers.registry import read_sentences
from ssmi.pipeline.readers.sentence import ReadReport, Sentence

__all__ = ["ReadReport", "Sentence", "read_sentences"]

"""Read the sentences of raw files in many formats; ``read_sentences`` is the entry point."""

from __future__ import annotations

from ssmi.pipeline.readers.registry import read_sentences
from ssmi.pipeline.readers.sentence import ReadReport, Sentence

__all__ = ["ReadReport", "Sentence", "read_sentences"]

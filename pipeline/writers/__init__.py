"""Sentences → files that annotation tools and other taggers read; ``write_converted`` is the entry point."""

from __future__ import annotations

from ssmi.pipeline.writers.convert import write_converted
from ssmi.pipeline.writers.formats import FORMATS

__all__ = ["FORMATS", "write_converted"]

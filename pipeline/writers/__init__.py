"""Sentences → files that annotation tools and other taggers read; ``convert`` is the entry point."""

from __future__ import annotations

from ssmi.pipeline.writers.convert import convert
from ssmi.pipeline.writers.formats import FORMATS

__all__ = ["FORMATS", "convert"]

"""Rows of raw files: lines with a token and its tag, and objects with fields."""

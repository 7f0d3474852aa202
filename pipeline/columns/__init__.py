"""Conversion between the contract's tables and arrays for features, without a Python object per character."""

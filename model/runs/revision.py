"""The version of the code that trains. Importing this module loads no torch."""

REVISION = 4
"""Incremented whenever the same parameters and shards give different figures, as ``Stage.version`` is for features.

A run's fingerprint and the ``train`` stage of dvc.yaml contain it; ``make golden`` asks for it.
"""

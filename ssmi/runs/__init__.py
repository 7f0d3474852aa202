"""Lookup of runs, and the features pinned in run folders."""

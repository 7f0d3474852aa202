"""A limit that the parameters, the command line and Python share; imports nothing, so that ``--help`` stays fast."""

MAX_REPEATS = 1_000
"""Limit on seeds and on folds: a mistyped number would otherwise make a list of runs that fills any memory."""

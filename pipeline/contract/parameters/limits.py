"""Limits that the parameters, the command line and Python share; imports nothing, so that ``--help`` stays fast."""

MAX_REPEATS = 1_000
"""Limit on seeds and on folds: a mistyped number would otherwise make a list of runs that fills any memory."""
MIN_RESAMPLES = 100
"""Least number of bootstrap resamples: the ends of a 95 % interval are quantiles of them."""
MAX_THREADS = 1_024
"""Limit on torch's threads: it starts as many as it is told, and a mistyped number would exhaust the system's."""

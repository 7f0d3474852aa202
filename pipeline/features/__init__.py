"""Pure functions from sentences to features: no project paths, no clock, no parallelism. Used off and on line."""

"""Pure functions from sentences to features, used offline and online: no project paths, clock or parallelism."""

"""One HTML page about a run: scores, confusion, every error with its features."""

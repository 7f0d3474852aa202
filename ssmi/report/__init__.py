"""The HTML report of a run: scores, charts, confusion of types, and every error with its features."""

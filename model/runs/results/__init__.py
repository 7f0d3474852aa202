"""The result files of a run: history, scores, counts, and the digests of these files."""

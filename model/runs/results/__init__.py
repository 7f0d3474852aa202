"""What a run leaves for people and other programs: history, scores, counts, and the digests of these files."""

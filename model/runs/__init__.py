"""A run folder: its files, the fingerprint of the run, and the state to resume it from."""

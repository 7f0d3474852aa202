"""A run folder: the checkpoint, its weights, the state to resume from, and the fingerprint of what made it."""

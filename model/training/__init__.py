"""Training on shards: a run, its epochs and steps, what it saves, several processes, and interrupts."""

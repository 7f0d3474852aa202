"""Training on shards: runs, epochs and steps, saving and resuming, distributed processes, and interrupts."""

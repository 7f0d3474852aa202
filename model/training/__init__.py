"""Training on shards: the loop, its optimizer and learning rates, several processes, and interrupts."""

"""What the embed stage is made of: counts of segments, and vectors of words in their sentences."""

"""Components of the embed stage: counts of segments, and vectors of words in their sentences."""

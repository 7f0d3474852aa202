"""Components of the shards stage: the columns of a part, and the hidden states stored beside it."""

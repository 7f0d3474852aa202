"""The data that the network reads: shards and stored encoder states, made into batches."""

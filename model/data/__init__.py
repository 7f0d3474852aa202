"""Shards and frozen states → batches: what the network reads, and nothing that it learns."""

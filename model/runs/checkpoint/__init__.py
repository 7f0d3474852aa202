"""The checkpoint of a run: saved whole or not at all, checked file by file, and held to the shards it is used on."""

"""The checkpoint of a run: saved atomically, verified file by file, and checked against the shards it is used on."""

"""Tag a corpus whose features are built: part by part, resumable, into Parquet."""

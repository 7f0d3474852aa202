"""The offline half: raw text in, typed Parquet shards out."""

"""Output on the terminal: progress, tables, streams, interactive lines."""

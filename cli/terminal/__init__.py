"""What a person sees at the terminal: progress, tables, streams, interactive lines."""

"""Text: words, encodings, JSON, and the wording of messages."""

"""Raw files as lines and JSON values."""

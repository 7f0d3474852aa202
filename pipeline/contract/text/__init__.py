"""What counts as a word, and which encodings are read."""

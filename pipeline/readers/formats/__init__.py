"""One file format a file: each reads its format and nothing else; ``registry`` tells which is which."""

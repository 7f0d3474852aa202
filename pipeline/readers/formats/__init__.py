"""File formats, one per module; ``registry`` determines the format of a file."""

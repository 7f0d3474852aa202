"""Explanation of the boundary words selected for a character in a segment, as numbers and as a picture."""

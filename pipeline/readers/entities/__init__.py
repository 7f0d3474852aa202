"""Entities and characters of a sentence, from tags, from offsets and from tokens."""

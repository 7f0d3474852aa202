"""Layers that read the lexicon: the boundaries of SSMI, and the matching words of its peers."""

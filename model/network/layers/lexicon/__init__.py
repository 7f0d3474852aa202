"""Layers that read the lexicon: boundaries for SSMI, matching words for its peers."""

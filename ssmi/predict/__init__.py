"""Use of a trained run on text: read texts, find their entities, write them."""

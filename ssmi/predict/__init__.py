"""A trained run used on text: read it, find its entities, write them."""

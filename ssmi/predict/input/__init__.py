"""The texts that a person brings: which encoding, which structure, and the records in them."""

"""The lean half: shards → network → scores. Reads the contract's folders; transformers is in ``network/encoder.py``."""

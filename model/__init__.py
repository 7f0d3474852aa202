"""The lean half: shards → network → scores. Reads the contract's folders only; transformers lives in ``encoder.py``."""

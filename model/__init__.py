"""The network: from shards to scores. Reads the contract's folders; only ``network/encoder.py`` uses transformers."""

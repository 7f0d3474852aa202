"""The SSMI network: its encoder, its assembly, and the decoding of its output."""

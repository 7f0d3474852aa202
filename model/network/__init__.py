"""The SSMI network: its encoder, its assembly, and how its output is decoded."""

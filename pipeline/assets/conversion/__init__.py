"""Conversion of fetched files before use: pickled weights to safetensors, a multilingual encoder to a Chinese one."""

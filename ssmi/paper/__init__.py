"""Reproduction of the paper's tables with any encoder, beside the scores printed in the paper."""

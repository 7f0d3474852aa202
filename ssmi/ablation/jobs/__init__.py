"""Runs of an ablation as processes: what one is, how many at once, and how long all will take."""

"""What a run folder holds. Light: whoever only looks for a file loads no torch."""

CHECKPOINT = "checkpoint"
"""Folder of the best epoch's weights and of all that they need."""
SHARDS = "shards"
"""Folder in it with the manifest of the shards that it was trained on."""
HISTORY = "history.csv"
METRICS = "metrics.json"
"""Written when the training is finished."""

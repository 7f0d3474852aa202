"""The seam between the offline pipeline and the trainer; small, light, imported by both halves."""

"""The contract between the offline pipeline and the trainer: a small, lightweight package that both import."""

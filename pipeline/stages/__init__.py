"""The stages of dvc.yaml, one module each: they read tables, compute features and write tables with a manifest."""

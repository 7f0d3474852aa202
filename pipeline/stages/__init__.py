"""One file per stage of dvc.yaml: open tables, call features, write tables, leave a manifest."""

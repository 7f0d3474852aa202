"""DVC: running it, and the dvc.yaml that is written from the stages."""

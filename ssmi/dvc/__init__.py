"""Integration with DVC: running its commands, and writing dvc.yaml from the stages."""

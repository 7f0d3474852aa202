"""params.yaml: its sections, how it is read and overridden, and its help."""

"""The command line: the only place where the pipeline and the trainer are both known. Composition only."""

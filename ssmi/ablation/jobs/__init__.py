"""The runs of an ablation as jobs: a single job, a pool of processes, and the expected duration."""

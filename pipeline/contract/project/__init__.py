"""A project on disk: its paths, the names of its stages and data sets, and the lock within a process."""

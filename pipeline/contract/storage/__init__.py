"""What is on disk is whole, and written by one process at a time."""

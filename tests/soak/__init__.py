"""Very many sentences through one process; see ``__main__``."""

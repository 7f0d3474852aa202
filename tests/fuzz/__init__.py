"""Broken and hostile input by the thousand; see ``__main__``."""

"""Installed packages: the lock files and the licences."""

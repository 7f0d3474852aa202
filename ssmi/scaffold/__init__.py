"""A new project folder for one's own data."""

from ssmi.scaffold.create import init_project

__all__ = ["init_project"]

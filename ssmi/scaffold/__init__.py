"""Creation of a new project folder for your own data."""

from ssmi.scaffold.create import init_project

__all__ = ["init_project"]

"""What every command knows: the project, its parameters, and how to tell a person what happens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ssmi.cli.progress import Bars, Lines
    from ssmi.pipeline.contract.params import Params
    from ssmi.project import Project


@dataclass(frozen=True)
class Session:
    """Made once by the top command; nothing heavy is imported before a command asks."""

    project_option: Path | None
    debug: bool

    @cached_property
    def project(self) -> Project:
        """The folder that holds params.yaml: ``--project``, else the nearest one upward from here."""
        from ssmi.project import Project, find_root

        return Project(find_root(self.project_option or Path(), upward=self.project_option is None), self.reporter)

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.project.root

    @cached_property
    def named_root(self) -> Path | None:
        """The project's folder where ``--project`` names one; None leaves it to be found from a run's place."""
        return self.root if self.project_option is not None else None

    @cached_property
    def project_folder(self) -> Path | None:
        """``root``, or None outside any project, for commands that have something to say there too."""
        from ssmi.pipeline.contract.errors import MissingResourceError

        try:
            return self.root
        except MissingResourceError:
            return None

    def say_if_nowhere(self) -> None:
        """Say on stderr that there is no project here, where there is none."""
        from ssmi.pipeline.contract.artifacts import PARAMS_NAME

        if self.project_folder is None:
            place, above = self.project_option or Path.cwd(), "" if self.project_option else " or above it"
            self.reporter.note(f"no project here: no {PARAMS_NAME} in {place}{above}")

    def params(self, overrides: Iterable[str] = ()) -> Params:
        """params.yaml with ``section.key=value`` overrides applied."""
        return self.project.params(overrides)

    @cached_property
    def reporter(self) -> Bars | Lines:
        """Bars on a terminal, a line a minute without one."""
        from ssmi.cli.progress import choose_reporter

        return choose_reporter()

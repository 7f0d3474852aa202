"""What every command knows: the project, its parameters, and how to tell a person what happens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ssmi.pipeline.contract.errors import ParameterError

if TYPE_CHECKING:
    from ssmi.cli.terminal.progress import Bars, Lines
    from ssmi.pipeline.contract.parameters.params import Params
    from ssmi.project import Project


# No slots: cached_property keeps its values in __dict__.
@dataclass(frozen=True)
class Session:
    """Made once by the top command; nothing heavy is imported before a command asks."""

    project_option: Path | None
    storage: str | None = None
    """URL of storage that holds the features too."""

    @cached_property
    def project(self) -> Project:
        """The folder that holds params.yaml: ``--project``, else the nearest one upward from here."""
        from ssmi.project import open_project

        # A folder that was named is the one meant: no other above it takes its place.
        upward = self.project_option is None
        folder = self.project_option or Path()
        project = open_project(folder, upward=upward, reporter=self.reporter)
        # Not by open_project, which loads the driver at once: many commands need none.
        return replace(project, storage=self.storage)

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

    def find_run(self, *, run: Path | None, dataset: str | None) -> tuple[Path, Path | None]:
        """The run folder, and the project whose features it reads; None for the nearest above the run.

        A run that is named needs no project here: a packed one has none. Raises MissingResourceError, before anything
        heavy is imported, where there is no run.
        """
        from ssmi.runs.lookup import find_run, require_checkpoint

        if run is not None and dataset is not None:
            raise ParameterError(
                "--run names the run folder, --dataset the run of a data set", next_step="give one of them"
            )
        if run is None:
            return find_run(self.project, run=None, dataset=dataset), self.root
        require_checkpoint(run)
        return run, self.named_root

    def say_if_nowhere(self) -> None:
        """Note that there is no project here, where there is none."""
        from ssmi.pipeline.contract.project.paths import PARAMS_NAME

        if self.project_folder is None:
            place, above = self.project_option or Path.cwd(), "" if self.project_option else " or above it"
            self.reporter.note(f"no project here: no {PARAMS_NAME} in {place}{above}")

    def params(self, overrides: Iterable[str] = ()) -> Params:
        """params.yaml with ``section.key=value`` overrides applied."""
        return self.project.params(overrides)

    @cached_property
    def reporter(self) -> Bars | Lines:
        """Bars on a terminal, a line a minute without one."""
        from ssmi.cli.terminal.progress import choose_reporter

        return choose_reporter()

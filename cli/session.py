"""What every command knows: the project folder, its parameters, and how to tell a person what happens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cli.progress import Bars, Lines
    from pipeline.contract.params import Params

PARAMS_NAME = "params.yaml"


@dataclass(frozen=True)
class Session:
    """Made once by the top command; nothing heavy is imported before a command asks."""

    project: Path | None
    debug: bool

    @cached_property
    def root(self) -> Path:
        """The folder that holds params.yaml: ``--project``, else the nearest one upward from here."""
        from pipeline.contract.errors import MissingResourceError

        start = (self.project or Path()).resolve()
        candidates = [start] if self.project else [start, *start.parents]
        for folder in candidates:
            if (folder / PARAMS_NAME).is_file():
                return folder
        raise MissingResourceError(
            f"no {PARAMS_NAME} in {start}{'' if self.project else ' or above it'}",
            next_step="run inside a project folder, or pass --project FOLDER",
        )

    @cached_property
    def project_folder(self) -> Path | None:
        """``root``, or None outside any project, for commands that have something to say there too."""
        from pipeline.contract.errors import MissingResourceError

        try:
            return self.root
        except MissingResourceError:
            return None

    def say_if_nowhere(self) -> None:
        """Say on stderr that there is no project here, where there is none."""
        if self.project_folder is None:
            place = self.project or Path.cwd()
            self.reporter.note(f"no project here: no {PARAMS_NAME} in {place}{'' if self.project else ' or above it'}")

    def params(self, overrides: Iterable[str] = ()) -> Params:
        """params.yaml with ``section.key=value`` overrides applied."""
        from pipeline.contract import params

        return params.load(self.root / PARAMS_NAME, overrides=overrides)

    @cached_property
    def reporter(self) -> Bars | Lines:
        """Bars on a terminal, a line a minute without one."""
        from cli.progress import choose_reporter

        return choose_reporter()

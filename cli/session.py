"""State that commands share: the project, its parameters, and the progress reporter."""

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
    from ssmi.predict.tagger import Tagger
    from ssmi.project import Project


# No slots: cached_property keeps its values in __dict__.
@dataclass(frozen=True)
class Session:
    """Created once by the top command; imports nothing heavy until a command asks for it."""

    project_option: Path | None
    storage: str | None = None
    """URL of a storage that also holds the features."""

    @cached_property
    def project(self) -> Project:
        """The project in ``--project``, by default in the nearest folder with params.yaml, upward from here."""
        from ssmi.project import open_project

        # A folder given explicitly is meant exactly: no folder above it takes its place.
        upward = self.project_option is None
        folder = self.project_option or Path()
        project = open_project(folder, upward=upward, reporter=self.reporter)
        # Not passed to open_project, which loads the driver at once: many commands need none.
        return replace(project, storage=self.storage)

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.project.root

    @cached_property
    def named_root(self) -> Path | None:
        """The project's folder if ``--project`` is given; None means that it is found from a run's location."""
        return self.root if self.project_option is not None else None

    @cached_property
    def project_folder(self) -> Path | None:
        """``root``, or None outside a project, for commands that also work there."""
        from ssmi.pipeline.contract.errors import MissingResourceError

        try:
            return self.root
        except MissingResourceError:
            return None

    def find_run(self, *, run: Path | None, dataset: str | None) -> tuple[Path, Path | None]:
        """Find the run folder and the project whose features it reads.

        A run given explicitly needs no project here, because a packed run has none.

        Args:
            run: The run folder.
            dataset: The data set whose run is used if ``run`` is None.

        Returns:
            The run folder, and the project; None means the nearest project above the run.

        Raises:
            ParameterError: Both ``run`` and ``dataset`` are given.
            MissingResourceError: There is no run. Raised before anything heavy is imported.
        """
        from ssmi.runs.lookup import find_run, require_checkpoint

        if run is not None and dataset is not None:
            raise ParameterError("both --run and --dataset are given", next_step="give only one of them")
        if run is None:
            return find_run(self.project, run=None, dataset=dataset), self.root
        require_checkpoint(run)
        return run, self.named_root

    def open_tagger(
        self, *, run: Path | None, dataset: str | None, device: str | None, entities: Path | None
    ) -> Tagger:
        """Open the tagger of a run, and note if the run is unfinished; see ``find_run`` for arguments and errors."""
        folder, project = self.find_run(run=run, dataset=dataset)  # refused before torch is imported
        from ssmi.predict.garbage_collection import garbage_collection_paused
        from ssmi.runs.lookup import note_if_unfinished

        with garbage_collection_paused():  # around the import too: modules stay for good
            import ssmi.predict.files  # noqa: F401  # used when the tagger is open
            from ssmi.predict.tagger import Tagger

            tagger = Tagger.open(
                folder, project=project, device=device or "auto", threads=0, entities=entities, reporter=self.reporter
            )
        note_if_unfinished(folder, self.reporter)
        return tagger

    def note_if_no_project(self) -> None:
        """Print a note if there is no project here."""
        from ssmi.pipeline.contract.project.paths import PARAMS_NAME

        if self.project_folder is None:
            place, above = self.project_option or Path.cwd(), "" if self.project_option else " or above it"
            self.reporter.note(f"no project here: no {PARAMS_NAME} in {place}{above}")

    def params(self, overrides: Iterable[str] = ()) -> Params:
        """params.yaml with ``section.key=value`` overrides applied."""
        return self.project.params(overrides)

    @cached_property
    def reporter(self) -> Bars | Lines:
        """Progress bars on a terminal, otherwise one line per minute."""
        from ssmi.cli.terminal.progress import choose_reporter

        return choose_reporter()

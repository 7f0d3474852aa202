"""A project as Python sees it: every verb of the command line as a method with a typed result.

::

    project = ssmi.open_project(".")
    project.build_features("resume", workers=2)
    project.train("resume", configuration="bert-crf")
    project.stats("coverage", dataset="resume").pl()

Each method imports what it needs when it is called. None prints: progress and notes go to the reporter. ``demo`` alone
lets another program write to the screen, which is DVC.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ssmi.pipeline.contract.arguments import checked
from ssmi.pipeline.contract.progress import Reporter, Silent
from ssmi.pipeline.contract.storage.replacing import sweep_below
from ssmi.project.features import FeatureMethods
from ssmi.project.runs import RunMethods
from ssmi.project.training import TrainingMethods
from ssmi.workspace import find_root

__all__ = ["Project", "open_project"]


@checked
def open_project(
    folder: str | Path = ".", *, upward: bool = True, reporter: Reporter | None = None, storage: str | None = None
) -> Project:
    """Open a project, and remove what a killed process left half written in its artifacts.

    Args:
        folder: The folder with params.yaml.
        upward: Whether it may also be a folder above.
        reporter: Told of progress and notes; None for silence.
        storage: URL of storage that holds the features too (``s3://BUCKET/FOLDER``, ``file:///...``).
            Whatever reads features first takes those in it that are others than here; a build takes what is current
            there and sends what it makes. Keys are the driver's matter, by its environment variables.

    Raises:
        MissingResourceError: There is no params.yaml, or the storage's driver is not installed.
        ParameterError: ``storage`` is no URL, has a password in it, or no storage is called so.

    """
    project = Project(find_root(Path(folder), upward=upward), reporter or Silent(), storage)
    if storage is not None:
        from ssmi.pipeline.remote.filesystem import open_folder  # loads fsspec, which most callers do not need

        open_folder(storage, what="storage")  # its driver; the storage itself is asked when there is work for it
    sweep_below(project.paths.folder)
    return project


@dataclass(frozen=True)
class Project(FeatureMethods, TrainingMethods, RunMethods):
    """A project folder: its parameters, its artifacts, and what can be done with them.

    Where a method takes ``dataset``, None means the first data set that params.yaml lists. ``overrides`` are
    ``section.key=value`` over params.yaml; later ones take precedence. ``device`` is ``auto``, ``cpu``, ``cuda``,
    ``cuda:1`` and so on. Every method raises ParameterError for parameters that are unknown or do not fit, and for
    arguments of a wrong type.

    Attributes:
        root: The folder that holds params.yaml, absolute.
        reporter: Told of progress and notes; silent by default.
        storage: URL of storage that holds the features too; None where they lie here alone.

    """

"""The Python interface to a project: what commands do with a project, as methods with typed results.

::

    project = ssmi.open_project(".")
    project.build_features("resume", workers=2)
    project.train("resume", configuration="bert-crf")
    project.stats("coverage", dataset="resume").pl()

What needs no project is a function of ``ssmi``; ``docs/reference/python.md`` lists the call for each command. Methods
import their dependencies when they are called. They do not print: progress and notes go to the reporter. The
only exception is ``demo``, during which DVC writes to the screen.
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
    """Open a project, and remove temporary files that killed processes left in its artifacts.

    Args:
        folder: The folder with params.yaml.
        upward: Whether to look for params.yaml in the folders above ``folder`` too.
        reporter: Receives progress and notes; None for silence.
        storage: URL of shared storage for the features (``s3://BUCKET/FOLDER``, ``file:///...``). Methods that read
            features first fetch those that differ from the local ones; ``build_features`` fetches current stages
            and uploads the stages that it builds. The storage driver reads credentials from its environment variables.

    Returns:
        The project.

    Raises:
        MissingResourceError: There is no params.yaml, or the driver of the storage is not installed.
        ParameterError: ``storage`` is not a URL, contains a password, or has an unknown scheme.

    """
    project = Project(find_root(Path(folder), upward=upward), reporter or Silent(), storage)
    if storage is not None:
        from ssmi.pipeline.remote.filesystem import open_folder  # loads fsspec, which most callers do not need

        open_folder(storage, what="storage")  # loads the driver only; the storage itself is accessed on first use
    sweep_below(project.paths.folder)
    return project


@dataclass(frozen=True)
class Project(FeatureMethods, TrainingMethods, RunMethods):
    """A project folder with its parameters and artifacts, and the operations on them.

    Unless a method says otherwise, ``dataset=None`` means the first data set that params.yaml lists. ``overrides`` are
    changes of the form ``section.key=value`` to the parameters of params.yaml; later ones take precedence. ``device``
    is ``auto``, ``cpu``, ``cuda``, ``cuda:1`` and so on. Every method raises ParameterError for unknown or invalid
    parameters and for arguments of a wrong type.

    Attributes:
        root: The folder that holds params.yaml, absolute.
        reporter: Receives progress and notes; silent by default.
        storage: URL of shared storage for the features; None if they are on this machine only.

    """

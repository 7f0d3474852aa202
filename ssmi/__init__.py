"""Chinese named-entity recognition with a lexicon.

::

    import ssmi

    project = ssmi.open_project(".")
    project.build_features("resume")
    project.train("resume")
    tagger = project.open_run(dataset="resume")  # or ssmi.open_run("artifacts/train/resume")
    tagger("王小明现任北京大学教授。")

Public names are imported on first use, so that ``import ssmi`` and the command line's help stay fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ssmi.data import convert
    from ssmi.evaluation.comparison import compare_runs
    from ssmi.evaluation.labelled_files import score_file
    from ssmi.pipeline.contract.errors import (
        DivergedError,
        InputDataError,
        MissingResourceError,
        ParameterError,
        SsmiError,
        StaleArtifactError,
    )
    from ssmi.predict.entity import Entity
    from ssmi.predict.files import predict_files
    from ssmi.predict.tagger import Tagger, open_run
    from ssmi.project import Project, open_project
    from ssmi.scaffold import init_project

__all__ = [
    "DivergedError",
    "Entity",
    "InputDataError",
    "MissingResourceError",
    "ParameterError",
    "Project",
    "SsmiError",
    "StaleArtifactError",
    "Tagger",
    "compare_runs",
    "convert",
    "init_project",
    "open_project",
    "open_run",
    "predict_files",
    "score_file",
]

# The imports above are for type checkers only; at run time, __getattr__ imports names from these modules.
_HOMES = {
    "DivergedError": "ssmi.pipeline.contract.errors",
    "Entity": "ssmi.predict.entity",
    "InputDataError": "ssmi.pipeline.contract.errors",
    "MissingResourceError": "ssmi.pipeline.contract.errors",
    "ParameterError": "ssmi.pipeline.contract.errors",
    "Project": "ssmi.project",
    "SsmiError": "ssmi.pipeline.contract.errors",
    "StaleArtifactError": "ssmi.pipeline.contract.errors",
    "Tagger": "ssmi.predict.tagger",
    "compare_runs": "ssmi.evaluation.comparison",
    "convert": "ssmi.data",
    "init_project": "ssmi.scaffold",
    "open_project": "ssmi.project",
    "open_run": "ssmi.predict.tagger",
    "predict_files": "ssmi.predict.files",
    "score_file": "ssmi.evaluation.labelled_files",
}


def __dir__() -> list[str]:
    """Return the public names, so that notebooks can complete names that were not imported yet."""
    return [*__all__, "__version__", "__doc__", "__name__", "__file__", "__path__"]


def __getattr__(name: str) -> Any:
    """Import a public name from its home module, or read the version of the installed package."""
    if name == "__version__":
        return import_module("importlib.metadata").version("ssmi")
    if name not in _HOMES:
        raise AttributeError(f"module 'ssmi' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    # Cached in the module, so that the next lookup does not reach __getattr__.
    globals()[name] = value
    return value

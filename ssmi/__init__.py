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
    from ssmi.charts.reliability import plot_reliability
    from ssmi.configurations import list_configurations
    from ssmi.data import convert, fetch, list_assets
    from ssmi.doctor import diagnose
    from ssmi.evaluation.comparison import compare_runs
    from ssmi.evaluation.labelled_files import score_file
    from ssmi.explain.ask import find_user_entity
    from ssmi.explain.plot import plot_candidates
    from ssmi.model.training.interrupts import Interrupted
    from ssmi.pipeline.contract.errors import (
        DivergedError,
        InputDataError,
        MissingResourceError,
        ParameterError,
        SsmiError,
        StaleArtifactError,
    )
    from ssmi.pipeline.contract.parameters.help import describe_parameters
    from ssmi.predict.entity import Entity
    from ssmi.predict.files import predict_files
    from ssmi.predict.tagger import Tagger, open_run
    from ssmi.project import Project, open_project
    from ssmi.scaffold import init_project
    from ssmi.statistics import list_reports

__all__ = [
    "DivergedError",
    "Entity",
    "InputDataError",
    "Interrupted",
    "MissingResourceError",
    "ParameterError",
    "Project",
    "SsmiError",
    "StaleArtifactError",
    "Tagger",
    "compare_runs",
    "convert",
    "describe_parameters",
    "diagnose",
    "fetch",
    "find_user_entity",
    "init_project",
    "list_assets",
    "list_configurations",
    "list_reports",
    "open_project",
    "open_run",
    "plot_candidates",
    "plot_reliability",
    "predict_files",
    "score_file",
]

# The imports above are for type checkers only; at run time, __getattr__ imports names from these modules.
_HOMES = {
    "DivergedError": "ssmi.pipeline.contract.errors",
    "Entity": "ssmi.predict.entity",
    "InputDataError": "ssmi.pipeline.contract.errors",
    "Interrupted": "ssmi.model.training.interrupts",
    "MissingResourceError": "ssmi.pipeline.contract.errors",
    "ParameterError": "ssmi.pipeline.contract.errors",
    "Project": "ssmi.project",
    "SsmiError": "ssmi.pipeline.contract.errors",
    "StaleArtifactError": "ssmi.pipeline.contract.errors",
    "Tagger": "ssmi.predict.tagger",
    "compare_runs": "ssmi.evaluation.comparison",
    "convert": "ssmi.data",
    "describe_parameters": "ssmi.pipeline.contract.parameters.help",
    "diagnose": "ssmi.doctor",
    "fetch": "ssmi.data",
    "find_user_entity": "ssmi.explain.ask",
    "init_project": "ssmi.scaffold",
    "list_assets": "ssmi.data",
    "list_configurations": "ssmi.configurations",
    "list_reports": "ssmi.statistics",
    "open_project": "ssmi.project",
    "open_run": "ssmi.predict.tagger",
    "plot_candidates": "ssmi.explain.plot",
    "plot_reliability": "ssmi.charts.reliability",
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

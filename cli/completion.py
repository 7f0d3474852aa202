"""Shell completion of option values from names known on this machine. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click

from ssmi.cli.session import Session


def datasets(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of data sets: listed ones, those of params.yaml, and the user's own folders."""
    from ssmi.data import dataset_names
    from ssmi.pipeline.contract.errors import SsmiError

    session = _session(context)
    names: set[str] = set()
    with suppress(SsmiError):  # no project here, or an invalid params.yaml
        names |= set(session.params().datasets)
    return _with_prefix(names | dataset_names(session.project_folder or Path()), incomplete)


def corpora(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of the corpora that params.yaml lists."""
    from ssmi.data import corpus_names
    from ssmi.pipeline.contract.errors import SsmiError

    session = _session(context)
    names: set[str] = set()
    with suppress(SsmiError):
        names = corpus_names(session.root, listed=session.params().corpora)
    return _with_prefix(names, incomplete)


def configurations(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of ``ablate --list``; after a comma, the next name."""
    from ssmi.configurations import CONFIGURATIONS

    before, comma, last = incomplete.rpartition(",")
    # The shell replaces the whole word by the completion, which therefore repeats the part before the comma.
    return [before + comma + name for name in _with_prefix(CONFIGURATIONS, last)]


def parameters(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[click.shell_completion.CompletionItem]:
    """``section.key=`` of every parameter; after ``=``, its values if they can be listed."""
    name, given, value = incomplete.partition("=")
    if given:
        return [_item(f"{name}={one}") for one in _with_prefix(values_by_parameter().get(name, []), value)]
    return [_item(f"{one}=") for one in _with_prefix(values_by_parameter(), name)]


def parameter_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of the sections of params.yaml and of every ``section.key``."""
    from ssmi.pipeline.contract.parameters.params import Params

    return _with_prefix({*Params.model_fields, *values_by_parameter()}, incomplete)


def runs(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[click.shell_completion.CompletionItem]:
    """Folders, completed by the shell itself."""
    return [click.shell_completion.CompletionItem(incomplete, type="dir")]


def devices(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Usual device names. Only torch knows which devices exist, and importing it takes seconds."""
    return _with_prefix(("auto", "cpu", "cuda", "cuda:0", "cuda:1"), incomplete)


def encodings(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Common encodings of Chinese text."""
    names = ("utf-8", "gb18030", "gbk", "big5", "utf-16", "utf-16-le", "utf-16-be")
    return [name for name in names if name.startswith(incomplete.lower())]


def _session(context: click.Context) -> Session:
    """A session with the given ``--project``: a completion does not run the top command, which creates sessions."""
    return Session(project_option=context.find_root().params.get("project"))


def _with_prefix(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))


def _item(value: str) -> click.shell_completion.CompletionItem:
    return click.shell_completion.CompletionItem(value)


def values_by_parameter() -> dict[str, list[str]]:
    """Every ``section.key`` with its possible values, or an empty list if they cannot be listed."""
    from ssmi.pipeline.contract.parameters.params import Params, Section

    values: dict[str, list[str]] = {}
    for section, about in Params.model_fields.items():
        kind = about.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            values |= {f"{section}.{key}": _listed_values(field.annotation) for key, field in kind.model_fields.items()}
    return values


def _listed_values(kind: Any) -> list[str]:
    if kind is bool:
        return ["false", "true"]
    if get_origin(kind) is Literal:
        return [str(value) for value in get_args(kind)]
    if kind is type(None):
        return ["null"]
    return [value for part in get_args(kind) for value in _listed_values(part)]

"""What the shell may offer behind an option: names that are found on this machine. Loads nothing heavy."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click

from ssmi.cli.session import Session


def datasets(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Those of the registry, of params.yaml, and the folders of one's own."""
    from ssmi.pipeline.assets.registry import names
    from ssmi.pipeline.contract.errors import SsmiError

    session = _session(context)
    found = set(names("dataset"))
    with suppress(SsmiError):  # no project here, or one whose params.yaml is wrong: what there is besides
        found |= set(session.params().datasets)
    parents = [Path(named).expanduser()] if (named := os.environ.get("SSMI_DATA")) else []
    for parent in (*parents, (session.project_folder or Path()) / "data"):
        if parent.is_dir():
            found |= {folder.name for folder in parent.iterdir() if folder.is_dir() and folder.name[0] != "."}
    return _beginning(found, incomplete)


def configurations(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of ``ablate --list``; after a comma the next one."""
    from ssmi.configurations import CONFIGURATIONS

    before, comma, last = incomplete.rpartition(",")
    return [before + comma + name for name in _beginning(CONFIGURATIONS, last)]


def parameters(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[click.shell_completion.CompletionItem]:
    """``section.key=`` of params.yaml, and behind ``=`` the values of those that have a few."""
    name, given, value = incomplete.partition("=")
    if given:
        return [_item(f"{name}={one}") for one in _beginning(_values().get(name, []), value)]
    return [_item(f"{one}=") for one in _beginning(_values(), name)]


def parameter_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Sections of params.yaml, and every ``section.key``."""
    from ssmi.pipeline.contract.params import Params

    return _beginning({*Params.model_fields, *_values()}, incomplete)


def runs(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[click.shell_completion.CompletionItem]:
    """Folders, as the shell itself completes them."""
    return [click.shell_completion.CompletionItem(incomplete, type="dir")]


def devices(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The kinds; which there are only torch knows, and it takes seconds to say so."""
    return _beginning(("auto", "cpu", "cuda", "cuda:0", "cuda:1"), incomplete)


def _session(context: click.Context) -> Session:
    """That of the command to come: the top command, which makes it, is not run for a completion."""
    return Session(project_option=context.find_root().params.get("project"), debug=False)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))


def _item(value: str) -> click.shell_completion.CompletionItem:
    return click.shell_completion.CompletionItem(value)


def _values() -> dict[str, list[str]]:
    """Every ``section.key``, with its values where they are few."""
    from ssmi.pipeline.contract.params import Params, Section

    found: dict[str, list[str]] = {}
    for section, about in Params.model_fields.items():
        kind = about.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            found |= {f"{section}.{key}": _few(own.annotation) for key, own in kind.model_fields.items()}
    return found


def _few(kind: Any) -> list[str]:
    if kind is bool:
        return ["false", "true"]
    if get_origin(kind) is Literal:
        return [str(value) for value in get_args(kind)]
    if kind is type(None):
        return ["null"]
    return [value for own in get_args(kind) for value in _few(own)]

"""Python can do everything that the command line can: every option of a command is an argument of its function."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

import ssmi
from ssmi.cli.main import cli

COMMAND_LINE_ONLY = {
    "as_json": "results have to_json or are plain",
    "form": "formats a table for the terminal",
    "list_only": "ssmi.list_configurations",
    "print_sql": "Project.stats_sql",
    "stage_version": "for DVC, which calls the command line",
    "interactive": "needs a terminal",
    "out": "the caller writes what predict_files yields",
}
"""Options without a corresponding argument, each with the reason."""
RENAMED = {
    "config": "configuration",
    "files": "data",
    "resamples": "n_resamples",
    "n_folds": "folds",
    "n_jobs": "jobs",
    "variants_file": "variants",
    "stage_name": "name",
    "sql": "query",
    "picture": "path",
    "batch_chars": "batch_characters",
    "kind": "input",
    "text_field": "field",
    "form": "format",
}
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "python.md"
_ROW = re.compile(r"^\| (`[^|]+`) \| ([^|]+) \|$", re.M)


def _table() -> dict[str, list[str]]:
    """The page's table: command → names of its Python calls, such as ``project.train``."""
    rows = {}
    for verbs, calls in _ROW.findall(PAGE.read_text(encoding="utf-8").partition("|---|---|")[2]):
        names = re.findall(r"`((?:ssmi|project)\.\w+)`", calls)
        rows.update({verb: names for verb in re.findall(r"`([^`]+)`", verbs)})
    return rows


TABLE = _table()


def _function(call: str) -> Callable[..., Any]:
    owner, _, name = call.partition(".")
    function: Callable[..., Any] = getattr(ssmi.Project if owner == "project" else ssmi, name)
    return function


def _commands(command: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for subname in command.list_commands(context):
            subcommand = command.get_command(context, subname)
            assert subcommand is not None
            yield from _commands(subcommand, f"{name} {subname}".strip())
    else:
        yield name, command


COMMANDS = dict(_commands(cli))


def test_every_command_has_a_row_and_no_row_is_of_another_command() -> None:
    assert len(COMMANDS) > 25
    assert TABLE.keys() == COMMANDS.keys()


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_call_of_a_row_is_public(command: str) -> None:
    calls = TABLE[command]
    assert calls
    for call in calls:
        owner, _, name = call.partition(".")
        assert callable(_function(call)), call
        assert owner == "project" or name in ssmi.__all__, call


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_option_is_an_argument(command: str) -> None:
    arguments = {name for call in TABLE[command] for name in inspect.signature(_function(call)).parameters}
    options = {option.name for option in COMMANDS[command].params if isinstance(option.name, str)}
    missing = {name for name in options if name not in arguments and RENAMED.get(name) not in arguments}
    assert missing <= COMMAND_LINE_ONLY.keys(), f"{command}: {missing - COMMAND_LINE_ONLY.keys()}"


def test_every_public_function_is_named_by_a_row() -> None:
    """A door that no row names is one that the command line lacks."""
    functions = {name for name in ssmi.__all__ if inspect.isfunction(getattr(ssmi, name))}
    named = {call.removeprefix("ssmi.") for calls in TABLE.values() for call in calls}
    assert functions - named == {"open_project"}, "every command opens a project"

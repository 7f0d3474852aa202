"""Python can do everything that the command line can: every option of a command is an argument of its function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import click
import pytest

import ssmi
from ssmi import data
from ssmi.cli.main import cli

COMMAND_LINE_ONLY = {
    "as_json": "results have to_json or are plain",
    "form": "formats a table for the terminal",
    "list_only": "ssmi.configurations",
    "print_sql": "ssmi.statistics.shell_script",
    "stage_version": "for DVC, which calls the command line",
    "picture": "ssmi.charts draws results",
    "top": "a result holds all rows",
    "interactive": "needs a terminal",
    "out": "the caller writes what predict_files yields",
}
"""Options without a corresponding argument, each with the reason."""
RENAMED = {
    "config": "configuration",
    "resamples": "n_resamples",
    "n_folds": "folds",
    "n_jobs": "jobs",
    "variants_file": "variants",
    "stage_name": "name",
    "batch_chars": "batch_characters",
    "kind": "input",
    "text_field": "field",
    "form": "format",
}
PROJECT = ssmi.Project
FUNCTIONS: dict[str, tuple[Callable[..., Any], ...]] = {
    "ablate": (PROJECT.ablate,),
    "compare": (PROJECT.compare,),
    "data check": (PROJECT.check_data,),
    "data convert": (ssmi.convert,),
    "data fetch": (data.fetch,),
    "encoder adapt": (PROJECT.adapt_encoder,),
    "evaluate": (PROJECT.evaluate,),
    "explain": (PROJECT.explain, PROJECT.open_run),
    "export": (PROJECT.export,),
    "features build": (PROJECT.build_features,),
    "features run": (PROJECT.run_stage,),
    "paper": (PROJECT.paper,),
    "predict": (PROJECT.predict_shards, PROJECT.open_run, ssmi.predict_files),
    "report": (PROJECT.report,),
    "stats": (PROJECT.stats, PROJECT.sql),
    "train": (PROJECT.train,),
    "verify": (PROJECT.verify,),
}
NO_FUNCTION_NEEDED = {"data list", "demo", "doctor", "dvc write", "init", "params"}
"""Commands without options that Python needs, or whose Python counterpart is in another module."""


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


def test_every_command_has_a_function() -> None:
    stages = {name for name in COMMANDS if name.startswith("features ")} - {"features build", "features run"}
    assert len(stages) == 7  # each is `features run` for one stage
    assert COMMANDS.keys() - stages == FUNCTIONS.keys() | NO_FUNCTION_NEEDED


@pytest.mark.parametrize("command", sorted(FUNCTIONS))
def test_every_option_is_an_argument(command: str) -> None:
    arguments = {name for function in FUNCTIONS[command] for name in inspect.signature(function).parameters}
    options = {option.name for option in COMMANDS[command].params if isinstance(option.name, str)}
    missing = {name for name in options if name not in arguments and RENAMED.get(name) not in arguments}
    if command == "stats":
        assert missing >= {"sql"} or "query" in arguments
        missing -= {"sql"}
    assert missing <= COMMAND_LINE_ONLY.keys(), f"{command}: {missing - COMMAND_LINE_ONLY.keys()}"

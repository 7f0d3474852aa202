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

ON_A_TERMINAL = {
    "as_json": "results have to_json or are plain",
    "form": "of a table on the terminal",
    "list_only": "ssmi.configurations",
    "print_sql": "ssmi.statistics.shell_script",
    "stage_version": "for DVC, which calls the command line",
    "picture": "ssmi.charts draws results",
    "top": "a result holds all rows",
    "interactive": "a person types",
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
DOORS: dict[str, tuple[Callable[..., Any], ...]] = {
    "ablate": (PROJECT.ablate,),
    "compare": (PROJECT.compare,),
    "data check": (PROJECT.check_data,),
    "data convert": (data.convert_file,),
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
ELSEWHERE = {"data list", "demo", "doctor", "dvc write", "init", "params"}
"""Commands without options that Python needs, or whose Python counterpart is in another module."""


def _verbs(command: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for below in command.list_commands(context):
            inner = command.get_command(context, below)
            assert inner is not None
            yield from _verbs(inner, f"{name} {below}".strip())
    else:
        yield name, command


VERBS = dict(_verbs(cli))


def test_every_verb_has_its_door() -> None:
    stages = {name for name in VERBS if name.startswith("features ")} - {"features build", "features run"}
    assert len(stages) == 7  # each is `features run` for one stage
    assert VERBS.keys() - stages == DOORS.keys() | ELSEWHERE


@pytest.mark.parametrize("verb", sorted(DOORS))
def test_every_option_is_an_argument(verb: str) -> None:
    arguments = {name for door in DOORS[verb] for name in inspect.signature(door).parameters}
    options = {option.name for option in VERBS[verb].params if isinstance(option.name, str)}
    missing = {name for name in options if name not in arguments and RENAMED.get(name) not in arguments}
    if verb == "stats":
        assert missing >= {"sql"} or "query" in arguments
        missing -= {"sql"}
    assert missing <= ON_A_TERMINAL.keys(), f"{verb}: {missing - ON_A_TERMINAL.keys()}"

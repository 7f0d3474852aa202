"""An option means the same on every command, and commands that need no project work outside one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest

from ssmi.cli.main import COMMANDS, cli

JSON_COMMANDS = {
    *("train", "ablate", "compare", "evaluate", "explain", "stats", "report", "export", "doctor", "params", "paper"),
    *("encoder adapt", "verify"),
}
"""Commands that print text for people, and JSON with ``--json``."""
DEVICE_COMMANDS = {"train", "ablate", "compare", "encoder", "evaluate", "report", "predict", "paper"}


def commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {subname}", subcommand) for subname, subcommand in command.commands.items())


def options(flag: str) -> dict[str, dict[str, Any]]:
    """Map each command that has an option to the information that ``--help`` shows about it."""
    return {
        name: option.to_info_dict()
        for name, command in commands()
        for option in command.params
        if isinstance(option, click.Option) and flag in option.opts
    }


@pytest.mark.parametrize("flag", ["--device", "--json", "--dataset", "--set"])
def test_options_are_the_same_on_every_command(flag: str) -> None:
    uses = options(flag)
    assert len(uses) > 4
    assert all(use == next(iter(uses.values())) for use in uses.values())


def test_commands_with_device_and_json_options() -> None:
    assert {name.split()[0] for name in options("--device")} == DEVICE_COMMANDS
    assert {*JSON_COMMANDS, "data list", "data check", "features build"} == set(options("--json"))


def test_device_is_checked_like_the_parameter(project: Any) -> None:
    outcome = project.ssmi("train", "--device", "gpu")
    assert outcome.code == 2 and "'gpu'" in outcome.stderr and "--device" in outcome.stderr


def test_some_commands_need_no_project(project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "nowhere"
    folder.mkdir()
    outside = type(project)(folder, project.environment)
    listed = outside.ssmi("data", "list")
    assert listed.code == 0 and "resume" in listed.stdout and "no project here" in listed.stderr
    assert {"resume", "sample"} <= {
        asset["name"] for asset in json.loads(outside.ssmi("data", "list", "--json").stdout)
    }
    outcome = outside.ssmi("doctor")
    assert outcome.code == 0 and "none here" in outcome.stdout and "torch" in outcome.stdout
    body = json.loads(outside.ssmi("doctor", "--json").stdout)
    assert body["project"] is None and body["assets"]
    assert outside.ssmi("train").code == 4


def test_features_and_stats_print_json(project: Any) -> None:
    states = json.loads(project.ssmi("features", "build", "--json").stdout)
    assert states["shards"] == "current"
    rows = json.loads(project.ssmi("stats", "--json").stdout)
    assert rows == json.loads(project.ssmi("stats", "--format", "json").stdout)
    assert project.ssmi("stats", "--json", "--format", "csv").code == 2


def test_configurations_and_diagnosis_are_printed_as_json(pristine_project: Any) -> None:
    assert json.loads(pristine_project.ssmi("ablate", "--list", "--json").stdout)[0]["name"]
    assert json.loads(pristine_project.ssmi("doctor", "--json").stdout)["project"] == str(pristine_project.root)


def test_export_and_report_print_json(tagging_project: Any, tmp_path: Path) -> None:
    out = tmp_path / "pack"
    exported = json.loads(tagging_project.ssmi("export", "--out", str(out), "--json").stdout)
    assert exported["out"] == str(out) and sum(exported["files"].values()) > 1000
    page = tmp_path / "page.html"
    report = json.loads(tagging_project.ssmi("report", "--out", str(page), "--device", "cpu", "--json").stdout)
    assert report["out"] == str(page) and 0 <= report["f1"] <= 1 and page.is_file()


def test_an_empty_storage_is_refused_as_an_option_and_ignored_as_a_variable(pristine_project: Any) -> None:
    outcome = pristine_project.ssmi("--storage", "", "params")
    assert outcome.code == 2 and outcome.stderr.startswith("error: --storage: empty")
    for value, code in (("", 0), ("nope", 2)):
        project = replace(pristine_project, environment={**pristine_project.environment, "SSMI_STORAGE": value})
        assert project.ssmi("params").code == code

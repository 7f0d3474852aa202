"""Every command has the same exit codes for bad files: 4 if the file is missing, 3 if it cannot be read as text."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from ssmi.cli.main import COMMANDS, cli

# --- files named on the command line ------------------------------------------------------------------------------

COMMANDS_WITH_FILE: dict[str, list[str]] = {
    "predict files": ["predict", "{file}"],
    "predict entities": ["predict", "--entities", "{file}", "{text}"],
    "evaluate file": ["evaluate", "--file", "{file}"],
    "explain entities": ["explain", "京", "--segment", "北京", "--entities", "{file}"],
    "data convert source": ["data", "convert", "{file}", "{out}", "--format", "jsonl"],
    "data convert tag_map": ["data", "convert", "{text}", "{out}", "--format", "jsonl", "--tag-map", "{file}"],
    "ablate variants_file": ["ablate", "--variants", "{file}"],
    "init files": ["init", "{out}", "{file}"],
    "init data": ["init", "{out}", "--data", "{file}"],
}
"""Mapping from command and parameter to a command line that reads a file through that parameter."""
OUTPUTS_AND_FOLDERS = {"out", "picture", "target", "run", "base", "folder", "project"}
"""Parameters that name an output or a folder."""


def _path_parameters() -> Iterator[str]:
    """Yield every parameter that takes a path, after its command: ``predict entities``."""

    def walk(name: str, command: click.Command) -> Iterator[str]:
        if isinstance(command, click.Group):
            for subname, subcommand in command.commands.items():
                yield from walk(f"{name} {subname}", subcommand)
        yield from (
            f"{name} {parameter.name}" for parameter in command.params if isinstance(parameter.type, click.Path)
        )

    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        yield from walk(name, command)


def test_every_parameter_that_takes_a_file_is_tested() -> None:
    parameters = {name for name in _path_parameters() if name.rpartition(" ")[2] not in OUTPUTS_AND_FOLDERS}
    assert len(parameters) > 5
    # The value of tag_map may also be a list of type pairs, so it is not a path.
    assert parameters | {"data convert tag_map"} == set(COMMANDS_WITH_FILE)


# --- kinds of bad files -------------------------------------------------------------------------------------------


def _missing(path: Path) -> None:
    path.unlink(missing_ok=True)


def _below_a_file(path: Path) -> None:
    """Make the parent of the path a file instead of a folder."""
    path.parent.rmdir()
    path.parent.write_text("", encoding="utf-8")


def _folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def _forbidden(path: Path) -> None:
    path.write_text("京 S-LOC\n", encoding="utf-8")
    path.chmod(0)


def _other_encoding(path: Path) -> None:
    path.write_bytes("北京 LOC\n".encode("gb18030"))


Damage = Callable[[Path], None]
KINDS: dict[str, tuple[Damage, int, str]] = {
    "missing": (_missing, 4, "no such file"),
    "a folder": (_folder, 3, "a folder"),
    "not permitted": (_forbidden, 3, "cannot be read (Permission denied)"),
    "not UTF-8": (_other_encoding, 3, "UTF-8"),
}
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
each_kind = pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.skipif(IS_ROOT, reason="root may read everything"))
        if kind == "not permitted"
        else kind
        for kind in KINDS
    ],
)


def _assert_refused(outcome: Any, kind: str, path: Path) -> None:
    _, code, expected = KINDS[kind]
    assert outcome.code == code, outcome.stderr
    message, advice = [line for line in outcome.stderr.splitlines() if line.startswith(("error: ", "  next: "))]
    assert message.startswith("error: ") and path.name in message and expected.lower() in message.lower()
    assert advice.startswith("  next: ") and len(advice) > len("  next: ")
    assert not outcome.stdout


@each_kind
@pytest.mark.parametrize("reader", sorted(COMMANDS_WITH_FILE))
def test_bad_files_named_on_the_command_line_are_refused(
    tagging_project: Any, tmp_path: Path, reader: str, kind: str
) -> None:
    path, text, out = tmp_path / "given" / "some.file", tmp_path / "text.bmes", tmp_path / "out"
    path.parent.mkdir()
    text.write_text("京 S-LOC\n", encoding="utf-8")
    KINDS[kind][0](path)
    outcome = tagging_project.ssmi(*(word.format(file=path, text=text, out=out) for word in COMMANDS_WITH_FILE[reader]))
    _assert_refused(outcome, kind, path)
    assert not out.exists()


@pytest.mark.parametrize("reader", sorted(COMMANDS_WITH_FILE))
def test_a_path_below_a_file_is_refused(tagging_project: Any, tmp_path: Path, reader: str) -> None:
    path, text, out = tmp_path / "given" / "some.file", tmp_path / "text.bmes", tmp_path / "out"
    path.parent.mkdir()
    text.write_text("京 S-LOC\n", encoding="utf-8")
    _below_a_file(path)
    outcome = tagging_project.ssmi(*(word.format(file=path, text=text, out=out) for word in COMMANDS_WITH_FILE[reader]))
    _assert_refused(outcome, "missing", path)


# --- files named by a project -------------------------------------------------------------------------------------


@each_kind
@pytest.mark.parametrize("parameter", ["segment.user_dict", "vocab.extra_words"])
@pytest.mark.parametrize("command", [["features", "build"], ["ablate", "--only", "ssmi", "--seeds", "1"]])
def test_bad_files_named_by_parameters_are_refused(project: Any, command: list[str], parameter: str, kind: str) -> None:
    path = project.root / "own.txt"
    KINDS[kind][0](path)
    before = project.artifacts("segment"), project.artifacts("vocab")
    _assert_refused(project.ssmi(*command, "-S", f"{parameter}=own.txt"), kind, path)
    assert (project.artifacts("segment"), project.artifacts("vocab")) == before


@each_kind
def test_bad_word_vectors_are_refused(project: Any, kind: str) -> None:
    path = project.root / "own.txt"
    damage, code, _ = KINDS[kind]
    damage(path)
    outcome = project.ssmi("features", "build", "-S", "vocab.vectors=own.txt")
    assert outcome.code == code and "own.txt" in outcome.stderr and "  next: " in outcome.stderr


@each_kind
@pytest.mark.parametrize("command", [["data", "check"], ["features", "build"]])
def test_bad_splits_are_refused(project: Any, command: list[str], kind: str) -> None:
    path = project.raw("dev")
    description = "splits: {train: train.bmes, dev: dev.bmes}\n"  # without this, a missing split is not an error
    (path.parent / "dataset.yaml").write_text(description, encoding="utf-8")
    damage, code, _ = KINDS[kind]
    path.unlink()
    damage(path)
    outcome = project.ssmi(*command)
    assert outcome.code == code and "dev.bmes" in outcome.stderr and "  next: " in outcome.stderr


@each_kind
@pytest.mark.parametrize("command", [["features", "build"], ["train"], ["evaluate"], ["ablate"], ["stats"]])
def test_a_bad_params_yaml_is_refused(
    pristine_project: Any, copy_project: Any, tmp_path: Path, command: list[str], kind: str
) -> None:
    project = copy_project(pristine_project, tmp_path)
    path = project.root / "params.yaml"
    path.unlink()
    damage, code, _ = KINDS[kind]
    damage(path)
    outcome = project.ssmi(*command)
    assert outcome.code == code and "params.yaml" in outcome.stderr and "  next: " in outcome.stderr

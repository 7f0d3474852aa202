"""Checks of the options of ``ssmi-cli predict``: their values, and which of them can be combined."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import click
from click.core import ParameterSource

from ssmi.pipeline.contract.errors import ParameterError

_OF_FILES: Mapping[str, str] = {
    "files": "FILES",
    "kind": "--input",
    "text_field": "--field",
    "encoding": "--encoding",
    "errors": "--errors",
    "form": "--format",
    "out": "--out",
    "batch_chars": "--batch-chars",
}
"""Parameters that concern files of text and the output written for them."""
_OF_SHARDS: Mapping[str, str] = {"corpus": "--shards", "workers": "--workers", "scheduler": "--scheduler"}


def check_encoding_option(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Python's name of the encoding. Raises ParameterError if it is unknown or not a text encoding."""
    if not value or context.resilient_parsing:  # a completion imports nothing heavy
        return None
    from ssmi.predict.input.text_decoding import check_encoding

    return check_encoding(value)


def check_usage(*, interactive: bool, corpus: str | None) -> None:
    """Raise ParameterError for options that have no effect in combination with the others."""
    if interactive:
        _refuse({**_OF_FILES, **_OF_SHARDS}, "--interactive reads what is typed")
    elif corpus is not None:
        _refuse({**_OF_FILES, "entities": "--entities"}, "--shards tags a corpus into artifacts/predict")
    else:
        _refuse(_OF_SHARDS, "FILES are tagged in this process")


def _refuse(idle: Mapping[str, str], what: str) -> None:
    given = click.get_current_context()
    said = [name for key, name in idle.items() if given.get_parameter_source(key) is ParameterSource.COMMANDLINE]
    if said:
        raise ParameterError(f"{what}, without {', '.join(said)}", next_step="leave one or the other out")


def stdin_files(*, interactive: bool) -> tuple[Path, ...]:
    """Standard input in place of FILES; none if interactive. Raises ParameterError if it is a terminal."""
    if interactive:
        return ()
    if sys.stdin.isatty():
        raise ParameterError("no FILES, and nothing is piped in", next_step="name files, or try --interactive")
    return (Path("-"),)

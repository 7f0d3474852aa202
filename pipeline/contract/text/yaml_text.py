"""Errors of parsing YAML, as one line of a message."""

from __future__ import annotations

from pathlib import Path

from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from ssmi.pipeline.contract.errors import at_line
from ssmi.pipeline.contract.text.encodings import not_utf8

NOT_YAML = (YAMLError, ValueError, KeyError, RecursionError)
"""What reading a YAML file may raise: ruamel raises Python's own errors for scalars such as 2020-13-45 or
``!!bool maybe``, and for deep nesting; bytes that are not UTF-8 are a ValueError."""


def not_yaml(path: Path, error: BaseException) -> str:
    """Say why a file is not YAML, with its line if the parser gives one.

    For example ``params.yaml:3: not YAML (found duplicate key "seed")``. What was begun in an earlier line, such as a
    quoted text without an end, is named too.
    """
    if isinstance(error, UnicodeDecodeError):
        return not_utf8(path, error)
    place, reason = str(path), str(error)
    if isinstance(error, MarkedYAMLError) and error.problem is not None:
        mark, begun = error.problem_mark or error.context_mark, error.context_mark
        place = str(path) if mark is None else at_line(path, mark.line + 1)
        # ruamel shows the values of both keys, which may be long.
        reason = error.problem.partition(" with value ")[0] if isinstance(error, DuplicateKeyError) else error.problem
        if error.context and begun is not None and mark is not None and begun.line != mark.line:
            reason += f" {error.context} that begins in line {begun.line + 1}"
    return f"{place}: not YAML ({' '.join(reason.split())})"

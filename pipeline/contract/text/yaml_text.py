"""Errors of parsing YAML, as one line of a message."""

from __future__ import annotations

from pathlib import Path

from ruamel.yaml.error import MarkedYAMLError, YAMLError

NOT_YAML = (YAMLError, ValueError, KeyError, RecursionError)
"""What parsing may raise: ruamel raises Python's own errors for scalars such as 2020-13-45 or ``!!bool maybe``, and for
deep nesting."""


def not_yaml(path: Path, error: BaseException) -> str:
    """Say where a file is not YAML, and why: ``params.yaml:3: not YAML (found duplicate key "seed")``."""
    place, reason = str(path), str(error)
    if isinstance(error, MarkedYAMLError) and error.problem is not None:
        mark = error.problem_mark or error.context_mark
        place = str(path) if mark is None else f"{path}:{mark.line + 1}"
        reason = error.problem
    return f"{place}: not YAML ({' '.join(reason.split())})"

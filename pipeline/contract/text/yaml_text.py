"""Parsing YAML, and its errors as one line of a message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, DuplicateKeyError, RoundTripConstructor, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import Node, ScalarNode

from ssmi.pipeline.contract.errors import at_line
from ssmi.pipeline.contract.text.encodings import not_utf8
from ssmi.pipeline.contract.text.json_text import LONG_NUMBER, is_long_number

NOT_YAML = (YAMLError, ValueError, KeyError, RecursionError)
"""What reading a YAML file may raise: ruamel lets some of Python's own errors pass, nesting may be too deep, and bytes
that are not UTF-8 are a ValueError."""

_LONGEST_SHOWN = 60


class _UnusableValueError(ConstructorError):
    """A value that is YAML, but of no use as a parameter."""

    def __init__(self, what: str, node: Node, *, next_step: str) -> None:
        super().__init__(None, None, what, node.start_mark)
        self.what = what
        self.next_step = next_step


class _PlacedErrors:
    """Gives scalars that are not of their type, such as the date 2020-13-45, an error with their line.

    ruamel lets the error of Python's ``datetime``, ``int`` or dictionary pass, which has no line.
    """

    def refuse_set(self, node: Node) -> None:
        """Refuse a set, whose order differs from one run to the next."""
        raise _UnusableValueError("a set, which has no order", node, next_step="write a list")

    def construct_object(self, node: Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)  # type: ignore[misc]
        except (ValueError, KeyError) as error:
            if not isinstance(node, ScalarNode):
                raise
            if is_long_number(error):
                step = "write a smaller number, or a text in quotes"
                raise _UnusableValueError(LONG_NUMBER, node, next_step=step) from error
            kind = str(node.tag).rpartition(":")[2]
            why = f": {error}" if isinstance(error, ValueError) else ""
            raise ConstructorError(
                None, None, f"{node.value[:_LONGEST_SHOWN]} is not of type {kind}{why}", node.start_mark
            ) from error


class _PlainConstructor(_PlacedErrors, SafeConstructor):
    pass


class _CommentedConstructor(_PlacedErrors, RoundTripConstructor):
    pass


for _constructor in (_PlainConstructor, _CommentedConstructor):
    _constructor.add_constructor("tag:yaml.org,2002:set", _constructor.refuse_set)


def parse_yaml(text: str) -> Any:
    """Parse a YAML document into plain Python values; no tag runs code. Raises one of ``NOT_YAML``."""
    yaml = YAML(typ="safe")
    yaml.Constructor = _PlainConstructor
    return yaml.load(text)


def commented_yaml() -> YAML:
    """Return a parser and writer that keeps the comments and the order of a document; raises one of ``NOT_YAML``."""
    yaml = YAML()
    yaml.Constructor = _CommentedConstructor
    return yaml


def yaml_step(error: BaseException, *, usual: str) -> str:
    """Return the next step after one of ``NOT_YAML``: the usual one, unless the text is YAML with an unusable value."""
    return error.next_step if isinstance(error, _UnusableValueError) else usual


def value_fault(error: BaseException) -> str:
    """Say what a single value is that was not read, after one of ``NOT_YAML``."""
    return error.what if isinstance(error, _UnusableValueError) else "not YAML"


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
    if isinstance(error, _UnusableValueError):
        return f"{place}: {error.what}"
    return f"{place}: not YAML ({' '.join(reason.split())})"

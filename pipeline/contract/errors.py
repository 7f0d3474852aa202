"""Every error a user can get: what happened, where, what to do next, and the exit code.

SsmiError                 1  any other error of this program
├── DivergedError         1  the loss or gradient of a training is not a number
├── ParameterError        2  params.yaml, a ``-S section.key=value`` or an argument is invalid
├── InputDataError        3  a raw file violates its format (names file and line)
├── MissingResourceError  4  a data set, vector file, encoder or artifact does not exist
│   └── UnknownDatasetError  4  no data set has a name
└── StaleArtifactError    5  artifacts that do not belong together, or of another schema version
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class SsmiError(Exception):
    """Base class of all errors. ``message`` says what happened and where, ``next_step`` what to do about it."""

    exit_code = 1

    def __init__(self, message: str, *, next_step: str = "") -> None:
        super().__init__(message, next_step)
        self.message = message
        self.next_step = next_step

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle both arguments, so that the error survives the return from a worker process."""
        return (_rebuild, (type(self), self.message, self.next_step))

    def __str__(self) -> str:
        """Return the message and the next step on one line."""
        return f"{self.message} → {self.next_step}" if self.next_step else self.message


class DivergedError(SsmiError):
    """The loss, gradient or weights of a training are not finite: this run failed, but others may succeed."""


class ParameterError(SsmiError):
    """A parameter is unknown, ill-typed or out of range."""

    exit_code = 2


class InputDataError(SsmiError):
    """A raw file violates its format; the message contains ``file:line``."""

    exit_code = 3


class MissingResourceError(SsmiError):
    """A data set, vector file, encoder or artifact cannot be found."""

    exit_code = 4


class UnknownDatasetError(MissingResourceError):
    """No data set has a name; a command that needs something else of that name gives another next step."""


class StaleArtifactError(SsmiError):
    """Artifacts belong to another schema version, vocabulary, encoder or label set."""

    exit_code = 5


def _rebuild(kind: type[SsmiError], message: str, next_step: str) -> SsmiError:
    return kind(message, next_step=next_step)


def at_line(path: Path | str, line: int) -> str:
    """Format a position as ``file:line``, which editors understand."""
    return f"{path}:{line}"


_SIMILAR = 0.65
"""Minimum similarity, from 0 to 1 as difflib measures it; below it two names share little more than a few letters."""


def closest_name(name: str, known: Iterable[str]) -> str | None:
    """Return the most similar known name; None if no name is similar."""
    return next(iter(difflib.get_close_matches(name, sorted(set(known)), n=1, cutoff=_SIMILAR)), None)


def name_hint(name: str, known: Iterable[str], *, listed: Iterable[str] | None = None) -> str:
    """Return a hint with the most similar known name or, if none is similar, with all of ``listed``, else ``known``."""
    names = sorted(set(known))
    close = closest_name(name, names)
    if close is not None:
        return f"did you mean {close!r}?"
    shown = names if listed is None else sorted(set(listed))
    return f"known: {', '.join(shown)}" if shown else "none are known"

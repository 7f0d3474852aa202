"""Every error a user can get: what happened, where, what to do next, and the exit code.

SsmiError                 1  any other error of this program
├── DivergedError         1  a training whose loss is not a number
├── ParameterError        2  params.yaml or a ``-S section.key=value`` is wrong
├── InputDataError        3  a raw file is not what it should be (names file and line)
├── MissingResourceError  4  a data set, vectors or an encoder is not there
└── StaleArtifactError    5  artifacts that do not belong together, or from another schema
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class SsmiError(Exception):
    """Base of the tree. ``message`` says what and where, ``next_step`` what to do about it."""

    exit_code = 1

    def __init__(self, message: str, *, next_step: str = "") -> None:
        super().__init__(message, next_step)
        self.message = message
        self.next_step = next_step

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the trip back from a worker process with both parts."""
        return (_rebuild, (type(self), self.message, self.next_step))

    def __str__(self) -> str:
        """One line: the message, then the next step."""
        return f"{self.message} → {self.next_step}" if self.next_step else self.message


class DivergedError(SsmiError):
    """A training's loss or gradient is not a number: this run failed, others may not."""


class ParameterError(SsmiError):
    """A parameter is unknown, ill-typed or out of range."""

    exit_code = 2


class InputDataError(SsmiError):
    """A raw file breaks its format; the message carries ``file:line``."""

    exit_code = 3


class MissingResourceError(SsmiError):
    """A data set, vector file, encoder or artifact cannot be found."""

    exit_code = 4


class StaleArtifactError(SsmiError):
    """Artifacts of another schema version, vocabulary, encoder or label set."""

    exit_code = 5


def _rebuild(kind: type[SsmiError], message: str, next_step: str) -> SsmiError:
    return kind(message, next_step=next_step)


def at_line(path: Path | str, line: int) -> str:
    """``file:line`` as editors understand it."""
    return f"{path}:{line}"


_SIMILAR = 0.65
"""Of 1, as difflib counts: below it two names have little more than a few letters in common."""


def closest(name: str, known: Iterable[str]) -> str | None:
    """The most similar known name; None where none is similar."""
    return next(iter(difflib.get_close_matches(name, sorted(set(known)), n=1, cutoff=_SIMILAR)), None)


def nearest(name: str, known: Iterable[str], *, listed: Iterable[str] | None = None) -> str:
    """A hint with the most similar known name, or a list of names where none is similar: ``listed``, else ``known``."""
    names = sorted(set(known))
    close = closest(name, names)
    if close is not None:
        return f"did you mean {close!r}?"
    shown = names if listed is None else sorted(set(listed))
    return f"known: {', '.join(shown)}" if shown else "none are known"

"""Standard streams whose reader has gone, or whose disk is full."""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress
from typing import Any, TextIO


def give_up(stream: TextIO) -> None:
    """Let what is still to be written to a stream go nowhere, where its reader has gone or its disk is full."""
    try:
        stream.flush()
    except OSError:
        # Of the stream itself: what Python has in its buffer would fail once more at the end.
        with suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def has_reader(stream: TextIO) -> bool:
    """Whether somebody may still read what is written to a stream, as far as that can be told."""
    if not hasattr(select, "poll"):
        return False
    try:
        poll = select.poll()
        poll.register(stream.fileno(), 0)
        return not poll.poll(0)
    except (OSError, ValueError):  # no real stream
        return True


class Stderr:
    """The present stderr, on which nothing fails: whoever watched may have gone, and the work goes on."""

    def __init__(self) -> None:
        # Kept: while a bar is drawn, rich puts another in its place that writes here.
        self._stream: TextIO = sys.stderr

    def write(self, text: str) -> int:
        """Write, as far as that is possible."""
        try:
            return self._stream.write(text)
        except OSError:
            give_up(self._stream)
            return len(text)

    def flush(self) -> None:
        """Flush, as far as that is possible."""
        give_up(self._stream)

    def __getattr__(self, name: str) -> Any:
        """All else is stderr's."""
        return getattr(self._stream, name)

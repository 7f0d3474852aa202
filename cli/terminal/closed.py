"""Standard streams whose reader has gone, or whose disk is full."""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress
from typing import Any, TextIO


def discard_output(stream: TextIO) -> None:
    """Flush a stream; if its reader has gone or its disk is full, discard its output from here on."""
    try:
        stream.flush()
    except OSError:
        # Redirect the descriptor itself: what is left in Python's buffer would fail again at exit.
        with suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def has_reader(stream: TextIO) -> bool:
    """Whether a stream may still have a reader; False on systems without ``poll``."""
    if not hasattr(select, "poll"):
        return False
    try:
        poll = select.poll()
        poll.register(stream.fileno(), 0)
        return not poll.poll(0)
    except (OSError, ValueError):  # no real stream
        return True


class Stderr:
    """The current stderr, on which no write fails: the work continues even if the reader has gone."""

    def __init__(self) -> None:
        # Kept, because rich replaces sys.stderr, while a bar is drawn, by a stream that writes here.
        self._stream: TextIO = sys.stderr

    def write(self, text: str) -> int:
        """Write the text if possible; return its length in any case."""
        try:
            return self._stream.write(text)
        except OSError:
            discard_output(self._stream)
            return len(text)

    def flush(self) -> None:
        """Flush if possible."""
        discard_output(self._stream)

    def __getattr__(self, name: str) -> Any:
        """Take every other attribute from stderr."""
        return getattr(self._stream, name)

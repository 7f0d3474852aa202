"""Messages of failed commands: one clear line, what to do next, and a documented exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from ssmi.cli.terminal.closed import discard_output
from ssmi.cli.terminal.visible import visible_lines
from ssmi.pipeline.contract.errors import SsmiError
from ssmi.pipeline.contract.storage.replacing import final_path

INTERRUPTED = 130
"""The exit code of an interrupted command."""
RUN_AGAIN = "run the same command again; what is finished is kept"
"""The usual next step of ``resumable``."""
_ROOM = "make room, or name another place"
_ACCESS = "fix its permissions, or name another place"
_NEXT_STEPS = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), _ROOM),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _ACCESS),
    errno.EFBIG: "raise the limit on the size of files (ulimit -f), or name another place",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENFILE: "close other programs: this machine has too many files open",
    errno.ENOMEM: "close other programs, or use a machine with more memory",
    errno.EIO: "check the disk or network that holds it",
    errno.ESTALE: "check the network that holds it, then run the same command again",
    errno.ENOTCONN: "check the network that holds it, then run the same command again",
}
"""Next steps by ``errno``, for operating-system errors that no traceback explains better."""


def explain(error: BaseException) -> int:
    """Print what failed and what to do next on stderr; return the exit code."""
    if isinstance(error, SsmiError):
        code = print_failure(f"error: {error.message}", error.exit_code)
        if error.next_step:
            print_failure(f"  next: {error.next_step}", code)
        return code
    # One line, however many the library's message has.
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        return print_failure(
            f"error: out of memory{f' ({text})' if text else ''}\n  next: {_NEXT_STEPS[errno.ENOMEM]}", 1
        )
    number = _number(error)
    if isinstance(error, OSError) and number in _NEXT_STEPS:
        place = error.filename2 or error.filename  # a copy or a rename writes to the second path
        place = f"{final_path(Path(os.fsdecode(place)))}: " if place else ""
        return print_failure(f"error: {place}{os.strerror(number)}\n  next: {_NEXT_STEPS[number]}", 1)
    return print_failure(
        f"error: {type(error).__name__}: {text}\n  next: run again with --debug and report what it shows", 1
    )


class ResumableAbort(click.exceptions.Abort):
    """The user interrupted a command that continues when it is run again."""

    def __init__(self, next_step: str) -> None:
        super().__init__()
        self.next_step = next_step


@contextmanager
def resumable(next_step: str, *, unless: type[KeyboardInterrupt] | tuple[()] = ()) -> Iterator[None]:
    """Add what to do next to the message of an interrupted command, which by itself is ``interrupted``.

    Interrupts of the kind ``unless`` pass, because the command explains them itself.
    """
    try:
        yield
    except KeyboardInterrupt as interrupt:
        if isinstance(interrupt, unless):
            raise
        raise ResumableAbort(next_step) from None


def explain_interrupt(error: BaseException) -> int:
    """Print that the command was interrupted, and what to do next where the command says so; return the exit code."""
    step = f"\n  next: {error.next_step}" if isinstance(error, ResumableAbort) else ""
    return print_failure(f"interrupted{step}", INTERRUPTED)


def _number(error: BaseException) -> int:
    """The ``errno`` of an error; 0 if it has none."""
    if not isinstance(error, OSError):
        return 0
    # numpy says how much it could not write but not why: the disk is full, or a limit is reached.
    if error.errno is None and " requested and " in str(error) and str(error).endswith(" written"):
        return errno.ENOSPC
    return error.errno or 0


def print_failure(message: str, code: int) -> int:
    """Print a message on stderr, if stderr still has a reader; return the exit code."""
    with suppress(ValueError):  # stderr is closed
        try:
            # The message may contain file names and text that somebody else wrote.
            click.echo(visible_lines(message), err=True)
        except OSError:
            discard_output(sys.stderr)
    return code

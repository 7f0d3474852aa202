"""Output independent of the machine's locale: UTF-8 on stdout, or a file that appears when it is complete."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from ssmi.pipeline.contract.errors import ParameterError

if TYPE_CHECKING:
    from ssmi.cli.terminal.progress import Bars, Lines

Write = Callable[[str], object]


def utf8_stdout() -> TextIO:
    """Return stdout, set to UTF-8 and plain newlines if it is a real stream."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    return sys.stdout


@contextmanager
def open_output(out: Path | None, reporter: Bars | Lines) -> Iterator[Write]:
    """Yield a function that writes one piece: to a file that appears at the end, or at once to stdout if None."""
    if out is None:
        stdout = utf8_stdout()  # kept, because a progress bar replaces sys.stdout

        def write(piece: str) -> None:
            # Only on a terminal can rows and bar share a screen.
            if stdout.isatty():
                reporter.make_room()
            stdout.write(piece)
            # The reader of a pipe gets each batch as soon as it is tagged.
            stdout.flush()

        yield write
        return
    from ssmi.pipeline.contract.storage.replacing import writing

    with writing(out) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        yield stream.write


def check_output(out: Path, files: Sequence[Path]) -> None:
    """Raise ParameterError if --out cannot be a file or is one of the files to read."""
    if not out.parent.is_dir():
        reason = f"{out.parent} is not a folder" if out.parent.exists() else f"no folder {out.parent}"
        raise ParameterError(f"--out {out}: {reason}", next_step="make it, or name another")
    if out.exists() and not out.is_file():
        raise ParameterError(f"--out {out}: something is there that is not a file", next_step="name another file")
    # samefile, because a link to one of the files is that file.
    if out.exists() and any(path.exists() and path.samefile(out) for path in files):
        raise ParameterError(
            f"--out {out}: is also one of the FILES and would be overwritten",
            next_step="name another file",
        )

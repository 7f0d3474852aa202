"""Where output goes, whatever the machine's locale: stdout as UTF-8, or a file that appears when it is whole."""

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
    """Stdout, made to write UTF-8 and plain newlines where it is a real stream."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    return sys.stdout


@contextmanager
def open_output(out: Path | None, reporter: Bars | Lines) -> Iterator[Write]:
    """What writes a piece: to a file that appears when all is done, or for None to stdout at once."""
    if out is None:
        stdout = utf8_stdout()  # a progress bar puts its own in its place

        def write(piece: str) -> None:
            # Only then are the rows on the same terminal as the bar.
            if stdout.isatty():
                reporter.make_room()
            stdout.write(piece)
            # Whoever reads a pipe gets each batch when it is tagged.
            stdout.flush()

        yield write
        return
    from ssmi.pipeline.contract.storage.replacing import writing

    with writing(out) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        yield stream.write


def check_output(out: Path, files: Sequence[Path]) -> None:
    """Refuse an --out that cannot be a file, or that is one of the files to read. Raises ParameterError."""
    if not (out.parent.is_dir() and (out.is_file() or not out.exists())):
        raise ParameterError(
            f"--out {out}: no folder {out.parent}, or something there that is not a file", next_step="name another"
        )
    # samefile: a link to one of the files is that file.
    if out.exists() and any(path.exists() and path.samefile(out) for path in files):
        raise ParameterError(f"--out {out}: one of the FILES, which would be lost", next_step="name another")

"""As many different sentences as wanted, of text files."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path


def sentences(files: Sequence[Path], n: int) -> Iterator[str]:
    """``n`` lines, no two the same: the files' again and again, each with its number, which no vocabulary has.

    So what is remembered of every new word or segment would grow for ever.
    """
    for number, line in enumerate(islice(cycle(_lines(files)), n)):
        yield f"{line}第{number}号"


def _lines(files: Sequence[Path]) -> list[str]:
    found = []
    for path in files:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as stream:
            found += [line.strip() for line in stream if line.strip()]
    return found

"""Any number of different sentences, from text files and data sets."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path

from ssmi.pipeline.readers import read_sentences


def sentences(lines: Sequence[str], n: int) -> Iterator[str]:
    """Yield ``n`` sentences, all different: the lines in a cycle, each with its number, which no vocabulary contains.

    Anything that is remembered for every new word or segment would therefore grow without bound.
    """
    for number, line in enumerate(islice(cycle(lines), n)):
        yield f"{line}第{number}号"


def read_lines(files: Sequence[Path]) -> list[str]:
    """The lines of text files and the sentences of data sets, without empty ones."""
    return [line for path in files for line in (_labelled(path) if ".bmes" in path.name else _plain(path)) if line]


def _labelled(path: Path) -> Iterator[str]:
    return ("".join(sentence.characters) for sentence in read_sentences(path)[0])


def _plain(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as stream:
        for line in stream:
            yield line.strip()

"""Text for benchmarks of tagging: read from files, in pieces that are tagged together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ssmi.predict.input.reading import Kind, read_records
from ssmi.predict.tagger import BATCH_CHARACTERS


def read_texts(path: Path) -> list[str]:
    """The texts of a .jsonl file, or the lines of any other file."""
    with path.open("rb") as stream:
        kind: Kind = "jsonl" if path.suffix == ".jsonl" else "text"
        return [record.text for record in read_records(stream, name=str(path), kind=kind)]


def pieces_of(texts: Sequence[str]) -> Iterator[list[str]]:
    """Group texts into pieces of at least ``BATCH_CHARACTERS`` characters; the last may be shorter."""
    piece: list[str] = []
    for text in texts:
        piece.append(text)
        if sum(map(len, piece)) >= BATCH_CHARACTERS:
            yield piece
            piece = []
    if piece:
        yield piece

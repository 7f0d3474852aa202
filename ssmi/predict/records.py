"""Records of files and of standard input, tagged in order, batch by batch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.progress import Advance
from ssmi.pipeline.contract.user_files import open_once, require_file, unreadable
from ssmi.predict.formats import Tagged
from ssmi.predict.input.reading import TEXT_FIELD, Kind, Record, read_records
from ssmi.predict.input.structured_files import STDIN as STDIN_NAME
from ssmi.predict.input.structured_files import kind_of_name
from ssmi.predict.input.text_decoding import Errors
from ssmi.predict.tagger import BATCH_CHARACTERS, Tagger

STDIN = Path("-")


@dataclass(frozen=True, slots=True)
class RecordSource:
    """The source of records, and how to read it.

    Attributes:
        files: Files to read, in this order; ``-`` for ``stdin``.
        stdin: The stream that ``-`` stands for.
        kind: Kind of all files; None to decide by the name of each.
        text_field: Field of a row that contains the text.
        encoding: Encoding of all files; None for that of the byte order mark, or UTF-8 without one.
        errors: Treatment of bytes that are invalid in the encoding.
        note: Called with a message when a pipe is waited for, and when an input already contains entities.

    """

    files: Sequence[Path]
    stdin: BinaryIO
    kind: Kind | None = None
    text_field: str = TEXT_FIELD
    encoding: str | None = None
    errors: Errors = "strict"
    note: Callable[[str], object] = lambda message: None

    @property
    def n_bytes(self) -> int:
        """Total size of the files; 0, for unknown, if stdin is among them."""
        return 0 if STDIN in self.files else sum(path.stat().st_size for path in self.files)

    def read(self, advance: Callable[[int], None]) -> Iterator[Record]:
        """Yield all records; ``advance`` gets the number of bytes read. Raises the errors of ``read_records``."""
        for path in self.files:
            if path == STDIN:
                yield from self._records(self.stdin, STDIN_NAME, self.kind, advance)
                continue
            require_file(path, pipes=True)
            try:
                with open_once(path, note=self.note) as stream:
                    yield from self._records(stream, str(path), self.kind or kind_of_name(path), advance)
            except OSError as error:
                raise unreadable(path, error) from error

    def _records(
        self, stream: BinaryIO, name: str, kind: Kind | None, advance: Callable[[int], None]
    ) -> Iterator[Record]:
        return read_records(
            stream,
            name=name,
            kind=kind,
            errors=self.errors,
            text_field=self.text_field,
            encoding=self.encoding,
            advance=advance,
            note=self.note,
        )


class Progress:
    """Counts bytes as done when their characters are tagged, not when they are read: one line may take minutes."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance
        self._bytes = self._characters = 0

    def read(self, n_bytes: int) -> None:
        """Count ``n_bytes`` more as waiting."""
        self._bytes += n_bytes

    def expect(self, n_characters: int) -> None:
        """Count ``n_characters`` more, of the bytes read, as waiting to be tagged."""
        self._characters += n_characters

    def tagged(self, n_characters: int) -> None:
        """Count ``n_characters`` of the waiting characters as done."""
        n_bytes = self._bytes * n_characters // self._characters
        self._bytes -= n_bytes
        self._characters -= n_characters
        self._advance(n_bytes)

    def finish(self) -> None:
        """Count the remaining bytes, which contain no character, as done."""
        self._advance(self._bytes)


def tag_records(
    tagger: Tagger,
    source: RecordSource,
    *,
    batch_characters: int | None = None,
    min_score: float = 0.0,
    advance: Advance,
) -> Iterator[Tagged]:
    """Yield each record with its entities, in order; no more records are kept than the tagger keeps texts.

    Args:
        tagger: An open run.
        source: The records.
        batch_characters: Number of characters tagged together; None for the tagger's default.
        min_score: Lowest score of an entity, 0 to 1.
        advance: Called with the number of bytes of ``source`` tagged since the last call.

    Raises:
        InputDataError: A record cannot be read; raised after the records before it were yielded.

    """
    progress = Progress(advance)
    waiting: deque[Record] = deque()
    failure: InputDataError | None = None

    def texts() -> Iterator[str]:
        nonlocal failure
        try:
            for record in source.read(progress.read):
                waiting.append(record)
                progress.expect(len(record.text))
                yield record.text
        except InputDataError as error:  # the records before it are tagged first
            failure = error

    for entities in tagger.stream(
        texts(),
        batch_characters=batch_characters or BATCH_CHARACTERS,
        min_score=min_score,
        advance=progress.tagged,
    ):
        yield waiting.popleft(), entities
    if failure is not None:
        raise failure
    progress.finish()

"""The records of files and of stdin, tagged in their order, a batch at a time."""

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
    """Where records come from, and how they are read.

    Attributes:
        files: Files, ``-`` for ``stdin``, in this order.
        stdin: What ``-`` stands for.
        kind: What all of them hold; None goes by each name.
        text_field: Where rows hold the text.
        encoding: Of all of them; None for what a byte order mark says, else UTF-8.
        errors: What becomes of bytes that are not of the encoding.
        note: Told where a pipe is waited for, and of entities that an input holds already.

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
        """Size of all files together; 0, for unknown, when stdin is among them."""
        return 0 if STDIN in self.files else sum(path.stat().st_size for path in self.files)

    def read(self, advance: Callable[[int], None]) -> Iterator[Record]:
        """All records; ``advance`` is told of bytes as they are read. Raises as ``read_records`` does."""
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
    """Counts bytes that were read as done when their characters are tagged: one line may take minutes."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance
        self._bytes = self._characters = 0

    def read(self, n_bytes: int) -> None:
        """``n_bytes`` more are waiting."""
        self._bytes += n_bytes

    def expect(self, n_characters: int) -> None:
        """The bytes read hold ``n_characters`` to tag."""
        self._characters += n_characters

    def tagged(self, n_characters: int) -> None:
        """``n_characters`` of those that are waiting are done."""
        n_bytes = self._bytes * n_characters // self._characters
        self._bytes -= n_bytes
        self._characters -= n_characters
        self._advance(n_bytes)

    def finish(self) -> None:
        """What is left holds no character."""
        self._advance(self._bytes)


def tag_records(
    tagger: Tagger,
    source: RecordSource,
    *,
    batch_characters: int | None = None,
    min_score: float = 0.0,
    advance: Advance,
) -> Iterator[Tagged]:
    """Each record with its entities, in order; no more records are held than the tagger holds texts.

    Args:
        tagger: An open run.
        source: The records.
        batch_characters: Characters that are tagged together; None for the tagger's own number.
        min_score: The lowest score of an entity, from 0 to 1.
        advance: Told of the bytes of ``source`` as they are tagged.

    Raises:
        InputDataError: For a record that cannot be read, after those before it were given out.

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
        except InputDataError as error:  # what came before it is tagged first
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

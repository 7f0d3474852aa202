"""Lines typed at a terminal, with entities in colour. The only module that imports prompt_toolkit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Condition, Thread
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.styles import Style

from ssmi.cli.terminal.visible import visible

if TYPE_CHECKING:
    from ssmi import Entity

Read = Callable[[str], "Sequence[Entity]"]
"""Function from a text to its entities."""

_STYLE = Style.from_dict({"bottom-toolbar": "noreverse"})


def typed_lines(read: Read, colours: Mapping[str, str], *, prompt: str) -> Iterator[tuple[str, Sequence[Entity]]]:
    """Yield each line with its entities when it is entered.

    While a line is typed, its entities appear in ``colours`` (by label) and are listed below it. Ctrl-D ends the
    iteration; Ctrl-C raises KeyboardInterrupt.
    """
    # A lambda, because the session is created below; it is not called before the session draws.
    with Reading(read, on_result=lambda: session.app.invalidate()) as reading:
        session: PromptSession[str] = PromptSession(
            prompt,
            input_processors=[_Marks(reading, colours)],
            bottom_toolbar=lambda: _summary(reading.known_entities(get_app().current_buffer.text), colours),
            style=_STYLE,
        )
        while True:
            try:
                line = session.prompt()
            except EOFError:
                return
            yield line, reading.wait_for_entities(line)


@dataclass(frozen=True, slots=True)
class _Result:
    """The text tagged last, with its entities."""

    text: str = ""
    entities: Sequence[Entity] = ()


class Reading:
    """A thread that tags the text typed last, so that typing never waits.

    Args:
        read: Finds the entities of a text.
        on_result: Called by the thread when a new result is available.
    """

    def __init__(self, read: Read, *, on_result: Callable[[], None]) -> None:
        self._read = read
        self._on_result = on_result
        self._changed = Condition()
        self._asked = ""
        self._result = _Result()
        self._failure: Exception | None = None
        self._over = False
        self._thread = Thread(target=self._work, name="reading", daemon=True)

    def __enter__(self) -> Reading:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()
        self._thread.join()

    def ask(self, text: str) -> None:
        """Request that a text be tagged, in place of any text still waiting."""
        with self._changed:
            self._asked = text
            self._changed.notify_all()

    def known_entities(self, text: str) -> list[Entity]:
        """Entities of the text tagged last, as far as ``text`` agrees with it up to the end of each entity."""
        # Read once, without the lock: the thread replaces the result but never modifies it.
        result = self._result
        return [one for one in result.entities if text.startswith(result.text[: one.end])]

    def wait_for_entities(self, text: str) -> Sequence[Entity]:
        """Wait for the entities of a text and return them. Raises what the tagger raised."""
        self.ask(text)
        with self._changed:
            self._changed.wait_for(lambda: self._result.text == text or self._failure is not None)
            if self._failure is not None:
                raise self._failure
            return self._result.entities

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._over or self._asked != self._result.text)
                if self._over:
                    return
                text = self._asked
            try:
                # The lock is free meanwhile, so that the next text can be requested.
                result = _Result(text, self._read(text))
            except Exception as error:
                with self._changed:
                    self._failure = error
                    self._changed.notify_all()
                return
            with self._changed:
                self._result = result
                self._changed.notify_all()
            self._on_result()


class _Marks(Processor):
    """Colours the entities of the text being typed, and requests its tagging, at every redraw."""

    def __init__(self, reading: Reading, colours: Mapping[str, str]) -> None:
        self._reading = reading
        self._colours = colours

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """Return the characters of a line with their styles."""
        document, number = transformation_input.document, transformation_input.lineno
        self._reading.ask(document.text)
        start = document.translate_row_col_to_index(number, 0)
        line = document.lines[number]
        styles = [""] * len(line)
        for one in self._reading.known_entities(document.text):
            for column in range(max(one.start - start, 0), min(one.end - start, len(line))):
                styles[column] = _style(self._colours[one.label])
        # Each character becomes exactly one, so that columns and the cursor keep their positions.
        return Transformation([(style, visible(character)) for style, character in zip(styles, line, strict=True)])


def _style(colour: str) -> str:
    return f"bold ansi{colour}"


def _summary(entities: Sequence[Entity], colours: Mapping[str, str]) -> StyleAndTextTuples:
    """``LABEL text score`` of each entity."""
    pieces: StyleAndTextTuples = []
    for one in entities:
        pieces += [
            (_style(colours[one.label]), f"{visible(one.label)} "),
            ("", f"{visible(one.text)} {one.score:.2f}   "),
        ]
    return pieces

"""``ssmi-cli predict --interactive``: show entities while a line is typed, and in a table when it is entered."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ssmi.cli.terminal.streams import utf8_stdout
from ssmi.cli.terminal.visible import visible
from ssmi.predict.input.reading import read_records

if TYPE_CHECKING:
    from ssmi import Entity, Tagger
    from ssmi.cli.terminal.live import Read

PROMPT = "> "
COLOURS = ("green", "magenta", "cyan", "yellow", "blue", "red")
"""Colours of the labels, assigned in order and repeated as needed."""


def converse(tagger: Tagger, *, min_score: float = 0.0) -> None:
    """Read lines until Ctrl-D; print each with its entities marked, and a table of them.

    At a terminal, entities are also coloured while the line is typed.
    """
    stdout = utf8_stdout()
    # Brackets and colons in typed text are not markup; without a terminal, no width limits the output.
    console = Console(
        file=stdout, width=None if stdout.isatty() else 10_000, highlight=False, markup=False, emoji=False
    )
    types = dict.fromkeys((*tagger.labels.entity_types, *tagger.user_entities.labels))
    colours = {label: COLOURS[index % len(COLOURS)] for index, label in enumerate(types)}
    for line, entities in _lines(partial(tagger, min_score=min_score), colours):
        if not line.strip():
            continue
        console.print(marked(line, entities, colours))
        if entities:
            console.print(_table(entities, colours))
        # A program that talks to this one through a pipe gets each answer at once.
        stdout.flush()


def marked(text: str, entities: Sequence[Entity], colours: Mapping[str, str]) -> Text:
    """The text with each entity as ``[entity TYPE]`` in the colour of its type."""
    shown = Text()
    end = 0
    for entity in entities:
        shown.append(visible(text[end : entity.start]))
        shown.append(f"[{visible(entity.text)} {visible(entity.label)}]", style=f"bold {colours[entity.label]}")
        end = entity.end
    shown.append(visible(text[end:]))
    return shown


def _table(entities: Sequence[Entity], colours: Mapping[str, str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name, justify in (
        ("label", "left"),
        ("text", "left"),
        ("start", "right"),
        ("end", "right"),
        ("score", "right"),
    ):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]  # a Literal in a loop
    for one in entities:
        label = Text(visible(one.label), style=colours[one.label])
        table.add_row(label, visible(one.text), str(one.start), str(one.end), f"{one.score:.3f}")
    return table


def _lines(read: Read, colours: Mapping[str, str]) -> Iterator[tuple[str, Sequence[Entity]]]:
    """Lines with their entities, typed at a terminal or piped in."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        # prompt_toolkit is needed only at a terminal.
        from ssmi.cli.terminal.live import typed_lines

        yield from typed_lines(read, colours, prompt=PROMPT)
        return
    # Bytes that are not UTF-8 do not end a conversation; a file with such bytes is refused by default.
    for record in read_records(sys.stdin.buffer, name="stdin", kind="text", errors="replace"):
        yield record.text, read(record.text)

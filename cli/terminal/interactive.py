"""``ssmi-cli predict --interactive``: entities are shown while a line is typed, and in a table once it is done."""

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
"""Of the entity types, in the order of their names, over and over."""


def converse(tagger: Tagger, *, min_score: float = 0.0) -> None:
    """Until Ctrl-D: read a line, print it with its entities marked, and a table of them.

    At a terminal they are coloured as the line is typed.
    """
    stdout = utf8_stdout()
    # What is typed is no markup, whatever brackets and colons it holds; off a terminal nothing has to fit a width.
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
        # Whoever talks to it through a pipe gets each answer at once.
        stdout.flush()


def marked(text: str, entities: Sequence[Entity], colours: Mapping[str, str]) -> Text:
    """The text with ``[entity TYPE]`` in its type's colour."""
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
    """Lines with their entities, as they are typed, or as they are piped in."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        # prompt_toolkit is needed only where somebody types.
        from ssmi.cli.terminal.live import typed_lines

        yield from typed_lines(read, colours, prompt=PROMPT)
        return
    # A conversation goes on where a byte is not UTF-8; a file would be refused by default.
    for record in read_records(sys.stdin.buffer, name="stdin", kind="text", errors="replace"):
        yield record.text, read(record.text)

"""A line with its entities marked: all of its text is kept, and none of it is read as markup or control codes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi import Entity
from ssmi.cli.terminal.interactive import marked
from ssmi.cli.terminal.visible import visible

COLOURS = {"LOC": "green", "PER": "red"}
texts = st.text(st.characters(codec="utf-8", exclude_characters="[]"), max_size=20)


@given(text=texts, data=st.data())
def test_marks_keep_all_of_the_text(text: str, data: st.DataObject) -> None:
    edges = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    entities = [
        Entity(start, end, data.draw(st.sampled_from(["LOC", "PER"])), text[start:end], 0.5)
        for start, end in list(pairwise(edges))[::2]
    ]
    shown = marked(text, entities, COLOURS)
    # Brackets occur only in the marks of entities, so they can be removed again.
    plain = shown.plain.replace("[", "")
    for label in COLOURS:
        plain = plain.replace(f" {label}]", "")
    assert plain == visible(text)
    assert [(shown.plain[span.start : span.end], span.style) for span in shown.spans] == [
        (f"[{visible(entity.text)} {entity.label}]", f"bold {COLOURS[entity.label]}") for entity in entities
    ]


@pytest.mark.parametrize(
    ("text", "entities", "shown"),
    [
        ("到北京[1]", [(1, 3)], "到[北京 LOC][1]"),
        ("[bold]北京[/bold]", [(6, 8)], "[bold][北京 LOC][/bold]"),
        ("北京北京", [(0, 2), (2, 4)], "[北京 LOC][北京 LOC]"),
        ("\x1b[2J北\t京", [(4, 7)], "␛[2J[北␉京 LOC]"),
        ("", [], ""),
    ],
)
def test_entities_are_marked_in_the_shown_text(text: str, entities: list[tuple[int, int]], shown: str) -> None:
    tagged = [Entity(start, end, "LOC", text[start:end], 0.9) for start, end in entities]
    assert marked(text, tagged, COLOURS).plain == shown

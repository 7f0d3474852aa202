"""The bracket notation, read with ``read_sentences`` and written back."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.readers import ReadReport, Sentence, read_sentences
from ssmi.pipeline.readers.formats.bracket import read_bracket, to_bracket
from ssmi.pipeline.readers.options import DEFAULT

Write = Callable[..., Path]


def test_sentences_comments_and_blank_lines(write: Write) -> None:
    path = write("# 说明 [a|b\n\n任期三年。\n\u3000\n[陈思远|NAME]先生，[汉族|RACE]。\r\n")
    sentences, report = read_sentences(path)
    assert list(sentences) == [
        Sentence(tuple("任期三年。"), (), 3),
        Sentence(tuple("陈思远先生，汉族。"), (Span(0, 3, "NAME"), Span(6, 8, "RACE")), 5),
    ]
    assert (report.format, report.n_characters, report.n_entities) == ("bracket", 14, 2)


def test_backslashes_escape_special_characters(write: Write) -> None:
    path = write("[甲|X]\n\\[a\\|b\\]|\\\\[\\[甲\\]|A\\|B]\n\\#c\\n\n")
    second, third = list(read_sentences(path)[0])[1:]
    assert second == Sentence(tuple("[a|b]|\\[甲]"), (Span(7, 10, "A|B"),), 2)
    assert third.text == "#c\n"


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ("甲[乙|X", 2, "never closed"),
        ("甲[乙", 2, "never closed"),
        ("甲乙|X]", 5, "without an opening one"),
        ("[甲|X]]", 6, "without an opening one"),
        ("[甲[乙|Y]|X]", 3, "a bracket inside a bracket"),
        ("[甲|X[", 5, "a bracket inside a bracket"),
        ("甲[|X]", 2, "without text"),
        ("甲[]", 2, "without text"),
        ("甲[乙]", 2, "without a type"),
        ("甲[乙|]", 2, "without a type"),
        ("[甲|X|Y]", 5, "a second bar"),
        ("甲\\乙", 2, "a backslash"),
        ("甲\\", 2, "a backslash"),
    ],
)
def test_errors_name_the_column(write: Write, line: str, column: int, message: str) -> None:
    path = write(f"[好|X]\n{line}\n")
    with pytest.raises(InputDataError) as caught:
        list(read_sentences(path)[0])
    assert caught.value.message.startswith(f"{path}:2:{column}: ")
    assert message in caught.value.message
    assert "[text|TYPE]" in caught.value.next_step


CHARACTERS = st.one_of(
    st.sampled_from("[]|\\#\n\r nr\t\u3000\ufeff\x85\u2028甲"),
    st.characters(exclude_categories=("Cs",), exclude_characters="\0"),
)

LABELS = st.text(st.sampled_from("[]|\\#n r甲"), min_size=1, max_size=3).filter(lambda label: label == label.strip())


@st.composite
def sentences(draw: st.DrawFn) -> Sentence:
    text = draw(st.lists(CHARACTERS, min_size=1, max_size=12))
    bounds = sorted(draw(st.sets(st.integers(0, len(text)), max_size=6)))
    spans = [Span(start, end, draw(LABELS)) for start, end in pairwise(bounds) if draw(st.booleans())]
    return Sentence(tuple(text), tuple(spans), 1)


@settings(max_examples=300, deadline=None)
@given(sentence=sentences())
@example(sentence=Sentence(("#",), (), 1))
@example(sentence=Sentence(("\n",), (), 1))
@example(sentence=Sentence(("\ufeff", " "), (), 1))
@example(sentence=Sentence(("\u3000",), (), 1))
@example(sentence=Sentence(("\\", "n"), (Span(0, 1, "\\"),), 1))
def test_a_written_sentence_reads_back(tmp_path_factory: pytest.TempPathFactory, sentence: Sentence) -> None:
    line = to_bracket(sentence)
    path = tmp_path_factory.mktemp("round") / "raw"
    path.write_bytes(line.encode())
    assert "\n" not in line
    assert list(read_bracket(path, DEFAULT, ReadReport(path, "bracket"))) == [sentence]


@pytest.mark.parametrize("label", ["B-\x02", "甲\t乙", " X", "X "])
def test_types_with_control_characters_or_surrounding_blanks_are_refused(write: Write, label: str) -> None:
    path = write(f"[好|X]\n[好|{label}]\n")
    with pytest.raises(InputDataError, match=r"raw\.txt:2: entity type"):
        list(read_sentences(path)[0])

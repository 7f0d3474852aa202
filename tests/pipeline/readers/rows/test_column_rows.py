"""Lines of a character-per-line file; ``readers/formats/test_columns.py`` tests whole files."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.readers.raw import decoding
from ssmi.pipeline.readers.raw.lines import numbered_lines
from ssmi.pipeline.readers.rows.column_rows import COMMENT, ColumnLine, rows_of, split_row, stretches
from ssmi.pipeline.readers.rows.known_rows import LONGEST_KNOWN

Write = Callable[..., Path]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["京 O", "海 B-LOC", "", "", "\t"]), max_size=30), st.integers(1, 20))
def test_stretches_end_at_empty_lines_and_contain_every_line_once(write: Write, lines: list[str], block: int) -> None:
    path = write("\n".join(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "_BLOCK", block)
        found = list(stretches(path, encoding=None))
    assert [line for first, stretch in found for line in enumerate(stretch, first)] == list(numbered_lines(path))
    assert all("" not in stretch[:-1] for _, stretch in found)
    assert all(stretch[-1] == "" for (_, stretch), _ in pairwise(found))


def test_lines_without_an_empty_line_are_split_into_pieces(write: Write) -> None:
    pieces = [stretch for _, stretch in stretches(write("京 O\n" * 100_000), encoding=None)]
    assert sum(map(len, pieces)) == 100_000
    assert LONGEST_KNOWN < max(map(len, pieces)) < 10_000


def test_a_line_is_split_at_its_first_and_last_separator() -> None:
    assert split_row("京\tNN\tx y\tB-LOC \t") == ColumnLine("京", "B-LOC", "NN")
    assert split_row("  O") == ColumnLine(" ", "O")
    assert split_row(" \t") is None
    with pytest.raises(ValueError, match="one column"):
        split_row("京")


@pytest.mark.parametrize(
    ("line", "separator"),
    [
        ("京\u3000B-LOC", "; U+3000, a full-width space, separates"),
        ("京\xa0B-LOC", "; U+00A0, a no-break space, separates"),
        ("京,B-LOC", "; a comma separates"),
        ("京，O", "; a full-width comma separates"),
        ("京;B-LOC", "; a semicolon separates"),
        ("京\\tB-LOC", "; a backslash and a t, not a tab, separates"),
        ("京,海", ""),
        ("京", ""),
    ],
)
def test_a_character_that_does_not_separate_is_named_with_the_line(line: str, separator: str) -> None:
    with pytest.raises(InputDataError) as caught:
        list(rows_of(Path("a.bmes"), 3, [line], is_inside=False, is_numbered=False))
    shown = line.replace("\\", "\\\\")
    assert caught.value.message.startswith(f'a.bmes:3: one column "{shown}", where a token and a tag are expected')
    assert caught.value.message.partition("expected")[2].startswith(separator)
    assert bool(separator) == ("separates" in caught.value.message)


def test_comments_are_recognised_only_before_a_sentence() -> None:
    lines = ["# id = 1", "京 O", "# x O-", ""]
    rows = list(rows_of(Path("a.bmes"), 7, lines, is_inside=False, is_numbered=False))
    assert rows == [
        (7, ColumnLine(COMMENT, "")),
        (8, ColumnLine("京", "O")),
        (9, ColumnLine("#", "O-", "x")),
        (10, None),
    ]
    assert next(rows_of(Path("a.bmes"), 7, lines, is_inside=True, is_numbered=False))[1] == ColumnLine("#", "1", "id")
    with pytest.raises(InputDataError, match=r"a\.bmes:3: one column"):
        list(rows_of(Path("a.bmes"), 3, ["京"], is_inside=False, is_numbered=False))

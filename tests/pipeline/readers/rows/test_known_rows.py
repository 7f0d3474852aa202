"""Sentences read as known rows, compared with the same file read row by row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.readers import ReadReport, Sentence, read_sentences
from ssmi.pipeline.readers.options import ReadOptions
from ssmi.pipeline.readers.rows import known_rows
from ssmi.pipeline.readers.rows.column_rows import split_row
from ssmi.pipeline.readers.rows.known_rows import KnownRows

Write = Callable[..., Path]

TAGS = st.sampled_from(["O"] * 4 + ["B-PER", "M-PER", "E-PER", "S-PER", "B-LOC", "E-LOC"])
IOB = st.sampled_from(["O"] * 3 + ["I-PER", "I-PER", "B-PER", "I-LOC"])
BILOU = st.sampled_from(["O"] * 3 + ["B-PER", "I-PER", "L-PER", "U-LOC"])
ODD_TAGS = st.sampled_from(["o", "0", "b-PER", "PER-B", "B_LOC", "3", "B-", "Person"])
TOKENS = st.sampled_from("京海a1.#\u3000李。")
ODD_TOKENS = st.sampled_from([" ", "\xa0", "ab", "##er", "字0", "1", "清华大学", "。"])
ODD_LINES = st.sampled_from(
    ["-DOCSTART- O", "# id = 1", "# O", "京", " B-PER", "\t", " ", "# SYM O", "1\t京\tO", "2\t海\tO"]
)


def rows(tags: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """A sentence of plain rows, occasionally with an unusual row or line."""
    row = st.builds("{}{}{}".format, TOKENS, st.sampled_from(" \t"), tags)
    odd = st.one_of(ODD_LINES, st.builds("{} {}".format, ODD_TOKENS, tags), st.builds("{} {}".format, TOKENS, ODD_TAGS),
                    st.builds("{} {} {}".format, TOKENS, TOKENS, tags))  # fmt: skip
    plain = st.lists(row, min_size=1, max_size=5)
    return st.one_of(*[plain] * 6, st.lists(st.one_of(row, row, odd), max_size=4)).map("\n".join)


FILES = st.builds(
    lambda sentences, end, between: end.join(between.join(sentences).split("\n")),
    st.sampled_from([TAGS, IOB, BILOU]).flatmap(lambda tags: st.lists(rows(tags), min_size=1, max_size=12)),
    st.sampled_from(["\n", "\n", "\r\n"]),
    st.sampled_from(["\n\n", "\n\n", "\n\n\n", "\n"]),
)


def read(path: Path, options: ReadOptions) -> tuple[list[Sentence], ReadReport | None, str]:
    """The sentences read before any error, the report if there is no error, and the error's message."""
    found: list[Sentence] = []
    sentences, report = read_sentences(path, options=options)
    try:
        found += sentences
    except InputDataError as error:
        return found, None, str(error)
    return found, report, ""


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    FILES,
    st.sampled_from([ReadOptions(format="columns"), ReadOptions(format="columns", labels=("O", "B-PER", "I-PER"))]),
)
def test_known_rows_equal_reading_row_by_row(write: Write, text: str, options: ReadOptions) -> None:
    path = write(text, "train.bmes")
    with_known_rows = read(path, options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(known_rows, "LONGEST_KNOWN", 0)
        assert read(path, options) == with_known_rows


def test_equal_rows_are_split_once_and_equal_sentences_shared(write: Write) -> None:
    path = write("京 B-LOC\n海 E-LOC\n人 O\n\n" * 500, "train.bmes")
    split_row.cache_clear()
    sentences, report = read_sentences(path)
    assert len({sentence.characters for sentence in sentences}) == 1 and report.n_entities == 500
    cache_info = split_row.cache_info()
    assert cache_info.hits + cache_info.misses < 20


def test_unknown_or_too_many_lines_give_no_sentence() -> None:
    known = KnownRows()
    known.learn("京 B-LOC", "京", "B-LOC", plain="B-LOC")
    known.learn("海 b-LOC", "海", "b-LOC", plain="B-LOC")
    known.learn("人 O", "人", "O", plain="O")
    sentence = known.sentence(["人 O", "京 B-LOC", "海 b-LOC", "人 O", "京 B-LOC", ""])
    assert sentence is not None and sentence.text == "人京海人京"
    assert [(place, known.tags(run)) for place, run in sentence.runs()] == [(1, ["B-LOC", "B-LOC"]), (4, ["B-LOC"])]
    assert known.unknown(["人 O", "人 B-LOC", "", "去 O"]) == ["人 B-LOC", "去 O"]
    assert known.sentence(["人 O", "去 O", ""]) is None
    assert known.sentence(["", ""]) is None
    assert known.sentence(["人 O"] * known_rows.LONGEST_KNOWN) is not None
    assert known.sentence(["人 O"] * (known_rows.LONGEST_KNOWN + 1)) is None


def test_the_number_of_kept_rows_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_rows, "MAX_ROWS", 2)
    known = KnownRows()
    known.learn("京 O", "京", "O", plain="O")
    assert known.unknown(["海 O"]) == []

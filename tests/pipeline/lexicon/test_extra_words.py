"""The list of extra words: how its lines are read, and which words join the vocabulary."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError, SsmiError
from ssmi.pipeline.features.alignment import MIN_WORDS_TO_FIT
from ssmi.pipeline.lexicon.extra_words import (
    ExtraWord,
    partition_extra_words,
    read_extra_words,
    words_to_fit_on,
)
from ssmi.pipeline.lexicon.vocabulary_builder import VocabularyBuilder

KEPT = ["中国", "人民"]


@pytest.fixture
def builder(tmp_path: Path) -> Iterator[VocabularyBuilder]:
    with VocabularyBuilder(tmp_path, min_word_len=2, max_word_len=4) as builder:
        builder.add(KEPT, np.ones((2, 2), np.float32))
        yield builder


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    lines=st.lists(st.text(st.sampled_from("中国# \t\u3000a"), max_size=5), max_size=12),
    line_end=st.sampled_from(["\n", "\r\n"]),
    byte_order_mark=st.booleans(),
    final_line_end=st.booleans(),
)
def test_every_line_except_blanks_and_comments_is_a_numbered_word(
    tmp_path: Path, lines: list[str], line_end: str, byte_order_mark: bool, final_line_end: bool
) -> None:
    content = line_end.join(lines) + (line_end if final_line_end else "")
    (tmp_path / "own.txt").write_bytes((b"\xef\xbb\xbf" if byte_order_mark else b"") + content.encode())
    expected = [
        (number, line.strip())
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.strip().startswith("#")
    ]
    assert [(one.line, one.word) for one in read_extra_words(tmp_path / "own.txt")] == expected


def test_unreadable_lists_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    with pytest.raises(MissingResourceError, match=r"own\.txt: no such file") as missing:
        read_extra_words(path)
    assert missing.value.next_step == "correct vocab.extra_words in params.yaml"
    with pytest.raises(InputDataError, match="a folder"):
        read_extra_words(tmp_path)
    path.write_bytes("中国\n\n".encode() + "北京".encode("utf-16-le") + b"\xff\n")
    with pytest.raises(InputDataError, match=r"own\.txt:3: not UTF-8"):
        read_extra_words(path)
    with path.open("wb") as stream:
        stream.truncate((64 << 20) + 1)
    with pytest.raises(InputDataError, match=r"own\.txt: over 64 MiB"):
        read_extra_words(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(words=st.lists(st.text("中国人民a\ufffd", min_size=1, max_size=5), max_size=15))
def test_each_word_is_added_or_left_out_for_one_reason(builder: VocabularyBuilder, words: list[str]) -> None:
    extra_words = [ExtraWord(word, line) for line, word in enumerate(words, start=1)]
    added, left_out = partition_extra_words(extra_words, builder)
    reasons: list[tuple[int, str]] = []
    expected: list[str] = []
    for line, word in enumerate(words, start=1):
        if len(word) < 2:
            reason = "too-short"
        elif len(word) > 4:
            reason = "too-long"
        elif "\ufffd" in word:
            reason = "bad-bytes"
        elif set(word) == {"a"}:
            reason = "no-cjk"
        elif word in KEPT:
            reason = "has a vector"
        else:
            reason = "duplicate" if word in expected else ""
        if reason:
            reasons.append((line, reason))
        else:
            expected.append(word)
    assert added == expected
    assert [(one.line, one.reason) for one in left_out] == reasons
    assert all(one.word == words[one.line - 1] for one in left_out)
    assert list(builder.words) == KEPT and not builder.dropped, "partitioning does not change the vocabulary"


def test_an_alignment_is_fitted_on_the_first_words_if_there_are_enough(tmp_path: Path) -> None:
    words = [f"中{chr(0x4E00 + n)}" for n in range(MIN_WORDS_TO_FIT + 5)]
    with VocabularyBuilder(tmp_path, min_word_len=2, max_word_len=4) as builder:
        builder.add(words[: MIN_WORDS_TO_FIT - 1], np.ones((MIN_WORDS_TO_FIT - 1, 2), np.float32))
        with pytest.raises(
            SsmiError, match=f"the vocabulary holds {MIN_WORDS_TO_FIT - 1} words; a map needs 20"
        ) as caught:
            words_to_fit_on(builder, 1000)
        assert "vocab.extra_words" in caught.value.next_step
        builder.add(words[MIN_WORDS_TO_FIT - 1 :], np.ones((6, 2), np.float32))
        assert words_to_fit_on(builder, 1000) == words
        assert words_to_fit_on(builder, MIN_WORDS_TO_FIT) == words[:MIN_WORDS_TO_FIT]

"""The trie, compared with a search that tries every stretch of the sentence."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.features.columns import SentenceColumns
from ssmi.pipeline.features.trie import Trie

# Few symbols, so that words occur often: Han, ASCII, emoji, astral Han, private use, a combining mark, wide space.
SYMBOLS = "中国人aB1😀𠀀\ue000\u0301\u3000"
WORDS = st.lists(st.text(SYMBOLS, min_size=1, max_size=4), min_size=1, max_size=25, unique=True)


def _matches_by_search(words: list[str], characters: list[str]) -> list[tuple[int, int, int]]:
    matches = []
    for start in range(len(characters)):
        for end in range(start + 1, len(characters) + 1):
            text = "".join(characters[start:end])
            for place, word in enumerate(words):
                if word == text:
                    matches.append((start, end, place + 1))
    return matches


@given(WORDS, st.text(SYMBOLS, max_size=30))
def test_every_word_of_a_text_is_found(words: list[str], text: str) -> None:
    expected = _matches_by_search(words, list(text))
    assert Trie.build(words).matches(text) == expected


@given(WORDS, st.lists(st.text(SYMBOLS, max_size=12), max_size=6))
def test_words_are_found_within_sentences_only(words: list[str], texts: list[str]) -> None:
    sentences = SentenceColumns.of(texts)
    matches = Trie.build(words).columns(sentences)
    found = list(zip(matches.starts.tolist(), matches.ends.tolist(), matches.ids.tolist(), strict=True))
    assert found == [
        (first + start, first + end, boundary)
        for first, text in zip(sentences.offsets.tolist(), texts, strict=False)
        for start, end, boundary in _matches_by_search(words, list(text))
    ]


def test_matches_by_hand() -> None:
    trie = Trie.build(["中国", "国人", "中国人", "A股", "股市"])
    assert trie.matches("中国人") == [(0, 2, 1), (0, 3, 3), (1, 3, 2)]
    assert trie.matches("😀中国") == [(1, 3, 1)]
    assert trie.matches("哈哈") == trie.matches("") == []


def test_overlapping_occurrences_of_a_word_are_found() -> None:
    assert Trie.build(["哈哈"]).matches("哈哈哈") == [(0, 2, 1), (1, 3, 1)]

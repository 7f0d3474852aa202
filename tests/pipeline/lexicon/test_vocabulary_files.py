"""The vocabulary: which words it keeps, its character index, and its files."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError
from ssmi.pipeline.features.vocabulary import FloatMatrix, Vocabulary
from ssmi.pipeline.lexicon.vocabulary_builder import VocabularyBuilder, index_characters
from ssmi.pipeline.lexicon.vocabulary_files import TRIE_FILE, VECTORS_FILE, WORDS_FILE, open_vocabulary


def keep_words(
    words: list[str], matrix: FloatMatrix, *, max_word_len: int, max_words: int | None, min_word_len: int = 2
) -> tuple[list[str], dict[str, int]]:
    """Return the words that a builder keeps of one block, and how many it drops for each reason."""
    with (
        TemporaryDirectory() as folder,
        VocabularyBuilder(
            Path(folder), min_word_len=min_word_len, max_word_len=max_word_len, max_words=max_words
        ) as builder,
    ):
        builder.add(words, matrix)
        assert builder.full == (len(builder.words) == max_words)
        return list(builder.words), dict(sorted(builder.dropped.items()))


def save_vocabulary(folder: Path, *, words: list[str], matrix: FloatMatrix) -> None:
    """Save a vocabulary row by row, so that every file is written in several steps."""
    with VocabularyBuilder(folder, min_word_len=2, max_word_len=10) as builder:
        for word, vector in zip(words, matrix, strict=True):
            builder.add([word], vector[None])
        assert builder.finish() == len(words)


SYMBOLS = "中国人a1😀𠀀々\ufffd"
DISTINCT_WORDS = st.lists(st.text(SYMBOLS, min_size=1, max_size=4), max_size=30, unique=True)


def test_dropped_words_are_counted_by_reason() -> None:
    rows = {
        "中国": [1, 0],
        "人": [1, 0],
        "一二三四五六": [1, 0],
        "abc": [1, 0],
        "坏\ufffd": [1, 0],
        "无限": [np.inf, 0],
        "不数": [0, np.nan],
        "空空": [0, 0],
        "a股": [0, 1],
    }
    words, matrix = [*rows, "中国"], np.array([*rows.values(), [0, 1]], dtype=np.float32)
    kept, dropped = keep_words(words, matrix, max_word_len=5, max_words=None)
    assert kept == ["中国", "a股"]
    assert dropped == {
        "bad-bytes": 1,
        "duplicate": 1,
        "no-cjk": 1,
        "not-finite": 2,
        "too-long": 1,
        "too-short": 1,
        "zero-vector": 1,
    }


@pytest.mark.parametrize("character", ["㐀", "一", "鿿", "豈", "々", "〇", "𠀀", "𪜀", "𰀀"])
def test_han_of_every_block_counts_as_cjk(character: str) -> None:
    kept, dropped = keep_words([f"{character}x"], np.ones((1, 2), np.float32), max_word_len=2, max_words=None)
    assert len(kept) == 1 and not dropped


@pytest.mark.parametrize("character", ["ア", "한", "Ａ", "。", "é", "😀", "\ue000"])
def test_other_characters_do_not_count_as_cjk(character: str) -> None:
    kept, dropped = keep_words([character * 2], np.ones((1, 2), np.float32), max_word_len=9, max_words=None)
    assert len(kept) == 0 and dropped == {"no-cjk": 1}


def test_the_first_valid_duplicate_is_kept(tmp_path: Path) -> None:
    words = ["中国", "人民", "中国", "中国"]
    matrix = np.array([[0, 0], [1, 1], [2, 0], [3, 0]], dtype=np.float32)
    save_folder = tmp_path / "v"
    save_folder.mkdir()
    with VocabularyBuilder(save_folder, min_word_len=2, max_word_len=10) as builder:
        builder.add(words, matrix)
        assert dict(builder.dropped) == {"duplicate": 1, "zero-vector": 1}
        builder.finish()
    vocabulary = _open(save_folder)
    assert vocabulary.words == ["人民", "中国"]
    assert vocabulary.vectors[2].tolist() == [1, 0]  # row 0 is a zero vector, so row 2 is the first usable one


def test_max_words_keeps_the_first_words_in_file_order() -> None:
    words = ["中国", "x", "人民", "北京", "中国"]
    kept, dropped = keep_words(words, np.ones((5, 3), np.float32), max_word_len=10, max_words=2)
    assert kept == ["中国", "人民"]
    assert dropped == {"duplicate": 1, "over-max-words": 1, "too-short": 1}


@given(
    st.lists(st.text(SYMBOLS, max_size=5), max_size=30),
    st.integers(1, 3),
    st.integers(2, 4),
    st.none() | st.integers(1, 9),
)
def test_every_row_is_kept_by_the_rules_or_counted_as_dropped(
    words: list[str], shortest: int, longest: int, max_words: int | None
) -> None:
    kept, dropped = keep_words(
        words,
        np.ones((len(words), 2), np.float32),
        min_word_len=shortest,
        max_word_len=longest,
        max_words=max_words,
    )
    expected: list[str] = []
    for word in words:
        valid = shortest <= len(word) <= longest and any(c in word for c in "中国人𠀀々") and "\ufffd" not in word
        if valid and word not in expected:
            expected.append(word)
    assert kept == expected[:max_words]
    assert len(kept) + sum(dropped.values()) == len(words)


@given(DISTINCT_WORDS)
def test_the_character_index_equals_a_full_search(words: list[str]) -> None:
    characters, offsets, ids = index_characters(pa.array(words, pa.string()))
    assert characters == sorted({character for word in words for character in word})
    assert offsets[0] == 0 and offsets[-1] == len(ids) and len(offsets) == len(characters) + 1
    assert ids.dtype == np.int32
    for place, character in enumerate(characters):
        expected = [number for number, word in enumerate(words, start=1) if character in word]
        assert ids[offsets[place] : offsets[place + 1]].tolist() == expected


WORDS = ["中国", "国人", "a股", "𠀀人国"]


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator) -> Path:
    save_vocabulary(tmp_path, words=WORDS, matrix=_matrix(rng))
    return tmp_path


def _matrix(rng: np.random.Generator) -> FloatMatrix:
    return rng.normal(size=(len(WORDS), 6)).astype(np.float32)


def _open(folder: Path) -> Vocabulary:
    return open_vocabulary(folder, digest="1")


def test_an_opened_vocabulary_equals_the_saved_one(folder: Path) -> None:
    vocabulary = _open(folder)
    assert dict(vocabulary) == {"中国": 1, "国人": 2, "a股": 3, "𠀀人国": 4}
    assert list(vocabulary) == list(vocabulary.words) == WORDS and len(vocabulary) == 4
    assert "中" not in vocabulary and vocabulary.get("没有", 0) == 0
    assert vocabulary.trie.matches("中国人") == [(0, 2, 1), (1, 3, 2)]
    for character in "中国人a股𠀀无":
        expected = [number for number, word in enumerate(WORDS, start=1) if character in word]
        assert vocabulary.boundaries_of(character).tolist() == expected


def test_row_zero_is_zero_and_the_other_rows_are_unit_vectors(folder: Path) -> None:
    vectors = _open(folder).vectors
    assert vectors.shape == (5, 6) and vectors.dtype == np.float32
    assert not vectors[0].any()
    expected = _matrix(np.random.default_rng(5)).astype(np.float64)
    expected /= np.sqrt((expected**2).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(vectors[1:], expected, atol=1e-7)
    assert isinstance(vectors.base, np.memmap) and not vectors.flags.writeable


def test_a_vocabulary_is_opened_once_per_digest(folder: Path) -> None:
    assert _open(folder) is _open(folder)
    assert open_vocabulary(folder, digest="2") is not _open(folder)


def test_the_same_words_give_the_same_bytes(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other_folder = tmp_path_factory.mktemp("again")
    save_vocabulary(other_folder, words=WORDS, matrix=_matrix(np.random.default_rng(5)))
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) == 5 and names == sorted(path.name for path in other_folder.iterdir())
    for name in names:
        assert (folder / name).read_bytes() == (other_folder / name).read_bytes()


def test_a_damaged_vocabulary_is_refused(folder: Path) -> None:
    (folder / TRIE_FILE).write_bytes(b"x")
    with pytest.raises(StaleArtifactError, match="not a trie"):
        open_vocabulary(folder, digest="damaged trie")
    (folder / WORDS_FILE).unlink()
    with pytest.raises(MissingResourceError, match=WORDS_FILE):
        open_vocabulary(folder, digest="no words")
    assert (folder / VECTORS_FILE).is_file()

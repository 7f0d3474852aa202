"""A vocabulary built block by block: its bytes do not depend on the blocks, and it is readable while it grows."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssmi.pipeline.lexicon.vocabulary_builder import VocabularyBuilder
from ssmi.pipeline.lexicon.vocabulary_files import VECTORS_FILE, open_vocabulary

WORD = st.text("中国人民a\ufffd", min_size=1, max_size=4)
VECTOR = st.lists(st.sampled_from([0.0, 0.5, -3.0, float("nan"), float("inf"), 1e-30, 1e30]), min_size=2, max_size=2)
ROWS = st.lists(st.tuples(WORD, VECTOR), min_size=1, max_size=25)
LONGEST = 3


def _add(builder: VocabularyBuilder, rows: list[tuple[str, list[float]]]) -> None:
    builder.add([word for word, _ in rows], np.array([v for _, v in rows], np.float32).reshape(len(rows), 2))


def _unit(vector: list[float]) -> list[float]:
    length = np.hypot(*np.array(vector, np.float32).astype(np.float64))
    return [float(np.float32(value / length)) for value in np.array(vector, np.float32).astype(np.float64)]


def _expected_words(rows: list[tuple[str, list[float]]], max_words: int | None) -> dict[str, list[float]]:
    kept: dict[str, list[float]] = {}
    for word, vector in rows:
        fits = 2 <= len(word) <= LONGEST and "\ufffd" not in word and set(word) & set("中国人民")
        usable = all(np.isfinite(vector)) and any(vector)
        if fits and usable and word not in kept and (max_words is None or len(kept) < max_words):
            kept[word] = _unit(vector)
    return kept


@settings(deadline=None)
@given(rows=ROWS, data=st.data(), max_words=st.none() | st.integers(0, 4))
def test_the_bytes_do_not_depend_on_the_blocks(
    rows: list[tuple[str, list[float]]], data: st.DataObject, max_words: int | None
) -> None:
    borders = sorted(data.draw(st.sets(st.integers(0, len(rows)), max_size=5)) | {0, len(rows)})
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        with VocabularyBuilder(Path(one), min_word_len=2, max_word_len=LONGEST, max_words=max_words) as builder:
            _add(builder, rows)
            dropped = builder.dropped
            n = builder.finish()
        with VocabularyBuilder(Path(other), min_word_len=2, max_word_len=LONGEST, max_words=max_words) as builder:
            for start, end in pairwise(borders):
                _add(builder, rows[start:end])
                expected = list(_expected_words(rows[:end], max_words).values())
                for n_vectors in (len(expected) + 3, len(expected), 1, 0):  # reading between blocks disturbs nothing
                    np.testing.assert_allclose(
                        builder.vectors(n_vectors), np.array(expected[:n_vectors]).reshape(-1, 2), rtol=2e-7
                    )
            assert builder.dropped == dropped
            assert builder.finish() == n == len(_expected_words(rows, max_words))
        files = {path.name: path.read_bytes() for path in Path(one).iterdir()}
        assert files == {path.name: path.read_bytes() for path in Path(other).iterdir()}
        assert len(files) == 5


@given(rows=ROWS)
@settings(deadline=None)
def test_the_vector_file_equals_one_written_by_numpy(rows: list[tuple[str, list[float]]]) -> None:
    with TemporaryDirectory() as folder:
        with VocabularyBuilder(Path(folder), min_word_len=2, max_word_len=LONGEST) as builder:
            _add(builder, rows)
            builder.finish()
        path = Path(folder) / VECTORS_FILE
        matrix = np.load(path)
        assert matrix.dtype == np.float32 and not matrix[0].any()
        np.testing.assert_allclose(
            matrix[1:], np.array(list(_expected_words(rows, None).values())).reshape(-1, 2), rtol=2e-7
        )
        np.save(Path(folder) / "plain.npy", matrix)
        assert path.read_bytes() == (Path(folder) / "plain.npy").read_bytes()


def test_the_header_has_room_for_a_large_word_count(tmp_path: Path) -> None:
    """The header, written while the vocabulary is empty, is rewritten for a count of more than four digits."""
    words = [f"中{chr(0x4E00 + n // 128)}{chr(0x4E00 + n % 128)}" for n in range(12_000)]
    with VocabularyBuilder(tmp_path, min_word_len=2, max_word_len=LONGEST) as builder:
        for start in range(0, len(words), 1000):
            builder.add(words[start : start + 1000], np.ones((1000, 1), np.float32))
        assert builder.finish() == 12_000
    assert np.load(tmp_path / VECTORS_FILE).shape == (12_001, 1)
    vocabulary = open_vocabulary(tmp_path, digest="many")
    assert vocabulary[words[-1]] == 12_000 and len(vocabulary.boundaries_of("中")) == 12_000


def test_words_over_the_limit_follow_all_others(tmp_path: Path) -> None:
    with VocabularyBuilder(tmp_path, min_word_len=2, max_word_len=LONGEST, max_words=2) as builder:
        assert builder.vectors(5).shape == (0, 0), "no words were added"
        builder.add(["中国", "人民", "国人"], np.eye(3, dtype=np.float32))
        assert builder.full and builder.dropped == {"over-max-words": 1}
        builder.add_over_limit(["国人", "民人"], np.array([[0, 0, 2], [3, 0, 4]], np.float32))
        assert builder.vectors(9).tolist() == pytest.approx(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.6, 0, 0.8]]))
        builder.finish()
    vocabulary = open_vocabulary(tmp_path, digest="beyond")
    assert list(vocabulary) == ["中国", "人民", "国人", "民人"]
    assert vocabulary.trie.matches("民人") == [(0, 2, 4)]


def test_a_failed_build_leaves_no_readable_vocabulary(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), VocabularyBuilder(tmp_path, min_word_len=2, max_word_len=LONGEST) as builder:
        builder.add(["中国"], np.ones((1, 2), np.float32))
        _ = 1 / 0
    assert {path.name for path in tmp_path.iterdir()} == {VECTORS_FILE}
    with pytest.raises(ValueError, match="closed file"):
        builder.vectors(1)
    assert np.load(tmp_path / VECTORS_FILE).shape == (0, 2), "the header counts no rows"

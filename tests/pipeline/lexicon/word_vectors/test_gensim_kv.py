"""Saved KeyedVectors: what versions of gensim write, and what is no such file."""

from __future__ import annotations

import gzip
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gensim.models import KeyedVectors

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.lexicon.word_vectors import open_vectors

WORDS = ["中国", "人民", "北京"]
MATRIX = np.array([[1, 0.1], [2, -0.5], [3, 1e-3]])


def _save(path: Path, *, protocol: int = 4, **attributes: Any) -> Path:
    """An object of gensim's class with just these attributes."""
    table = KeyedVectors.__new__(KeyedVectors)
    table.__dict__.update(attributes)
    path.write_bytes(pickle.dumps(table, protocol))
    return path


def _read(path: Path) -> tuple[list[str], np.ndarray]:
    words: list[str] = []
    blocks = []
    with open_vectors(path) as reader:
        for block, matrix in reader.blocks():
            words += block
            blocks.append(matrix)
    assert (reader.n_rows, reader.n_in_header, reader.width) == (len(words), len(words), blocks[0].shape[1])
    return words, np.concatenate(blocks)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4"])
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_kind_of_float_in_every_order_and_protocol(tmp_path: Path, dtype: str, protocol: int, order: Any) -> None:
    matrix = np.array(MATRIX, dtype=dtype, order=order)
    words, read = _read(_save(tmp_path / "v.kv", protocol=protocol, index_to_key=WORDS, vectors=matrix))
    assert words == WORDS and read.dtype == np.float32
    np.testing.assert_array_equal(read, matrix.astype(np.float32))


def test_the_attribute_of_gensim_3_names_the_words(tmp_path: Path) -> None:
    words, read = _read(_save(tmp_path / "v.kv", index2word=WORDS, vectors=MATRIX.astype(np.float32)))
    assert words == WORDS and read.tolist() == MATRIX.astype(np.float32).tolist()


def test_many_rows_come_in_blocks_that_do_not_share_memory(tmp_path: Path) -> None:
    names = [f"词{n}" for n in range(2500)]
    matrix = np.arange(5000, dtype=np.float32).reshape(2500, 2)
    _save(tmp_path / "v.kv", index_to_key=names)
    np.save(tmp_path / "v.kv.vectors.npy", matrix)
    with open_vectors(tmp_path / "v.kv") as reader:
        blocks = list(reader.blocks())
    assert [len(words) for words, _ in blocks] == [1024, 1024, 452]
    assert [word for words, _ in blocks for word in words] == names
    for _, block in blocks:
        block[:] = 0  # the file is mapped: what a reader does to its block must not reach it
    np.testing.assert_array_equal(np.load(tmp_path / "v.kv.vectors.npy"), matrix)


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"index_to_key": WORDS, "vectors": np.ones((3, 2), np.int64)}, "its vectors are int64"),
        ({"index_to_key": WORDS, "vectors": np.ones((2, 2))}, "3 words for vectors of shape (2, 2)"),
        ({"index_to_key": WORDS, "vectors": np.ones(3)}, "3 words for vectors of shape (3,)"),
        ({"index_to_key": [], "vectors": np.ones((0, 2))}, "0 words for vectors of shape (0, 2)"),
        ({"vectors": MATRIX}, "0 words for vectors of shape (3, 2)"),
        ({"index_to_key": WORDS}, "v.kv.vectors.npy is not beside it"),
    ],
)
def test_vectors_that_cannot_be_are_refused(tmp_path: Path, attributes: dict[str, Any], said: str) -> None:
    _save(tmp_path / "v.kv", **attributes)
    with pytest.raises(InputDataError) as caught:
        _read(tmp_path / "v.kv")
    assert str(tmp_path / "v.kv") in caught.value.message and said in caught.value.message
    assert caught.value.next_step


def test_a_packed_pickle_is_asked_to_be_unpacked(tmp_path: Path) -> None:
    plain = _save(tmp_path / "v.kv", index_to_key=WORDS, vectors=MATRIX)
    (tmp_path / "v.kv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    with pytest.raises(InputDataError, match=r"v\.kv\.gz: a pickle, packed \(gzip\)") as caught:
        _read(tmp_path / "v.kv.gz")
    assert caught.value.next_step == "unpack it and name it"


def test_a_whole_model_is_told_how_to_save_its_vectors(tmp_path: Path) -> None:
    """The commonest mistake: ``model.save`` in place of ``model.wv.save``."""
    from gensim.models import Word2Vec

    Word2Vec([["中国", "人民"]] * 5, vector_size=4, min_count=1, workers=1, epochs=1).save(str(tmp_path / "m.model"))
    with pytest.raises(InputDataError, match=r"no saved gensim KeyedVectors .*it holds gensim\.models\.word2vec"):
        _read(tmp_path / "m.model")

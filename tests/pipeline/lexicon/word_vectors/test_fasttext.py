"""fastText's binary format, read by gensim; invalid files are refused before gensim opens them."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from gensim.models import FastText
from gensim.models.fasttext import save_facebook_model

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.lexicon.word_vectors import open_vectors

WORDS = ["北京", "上海", "银行", "大学", "教授", "经理", "公司", "中国", "人民", "医院"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[FastText, Path]:
    model = FastText([WORDS] * 3, vector_size=8, min_count=1, min_n=1, max_n=2, bucket=50, epochs=1, seed=1, workers=1)
    path = tmp_path_factory.mktemp("fasttext") / "zh.bin"
    save_facebook_model(model, str(path))
    return model, path


def _read(path: Path) -> tuple[dict[str, list[float]], dict[str, int]]:
    vectors: dict[str, list[float]] = {}
    with open_vectors(path) as reader:
        for words, matrix in reader.blocks():
            vectors |= dict(zip(words, matrix.tolist(), strict=True))
    assert reader.format == "fastText binary" and reader.width == 8
    return vectors, dict(+reader.repairs)


def test_words_have_the_vectors_of_fasttext(trained: tuple[FastText, Path]) -> None:
    model, path = trained
    words, repairs = _read(path)
    assert sorted(words) == sorted(WORDS) and not repairs
    for word, vector in words.items():
        np.testing.assert_allclose(vector, model.wv[word], atol=1e-6)


def test_a_word_with_bad_bytes_is_repaired_and_counted(trained: tuple[FastText, Path], tmp_path) -> None:
    body = trained[1].read_bytes()
    (tmp_path / "v.bin").write_bytes(body.replace("银行".encode(), b"\xe9\x93" + "行".encode() + b"a", 1))
    words, repairs = _read(tmp_path / "v.bin")
    assert repairs == {"bad bytes": 1} and "\ufffd行a" in words


@pytest.mark.parametrize("length", [3, 40, 90, 100, 200, 1000, -1000])
def test_a_truncated_file_is_refused(length: int, trained: tuple[FastText, Path], tmp_path) -> None:
    (tmp_path / "v.bin").write_bytes(trained[1].read_bytes()[:length])
    with pytest.raises(InputDataError, match=r"v\.bin"):
        _read(tmp_path / "v.bin")


def test_a_header_with_an_excessive_width_is_refused(trained: tuple[FastText, Path], tmp_path) -> None:
    body = bytearray(trained[1].read_bytes())
    body[8:12] = (1 << 30).to_bytes(4, "little")  # the width
    (tmp_path / "v.bin").write_bytes(body)
    with pytest.raises(InputDataError, match="not a whole fastText model"):
        _read(tmp_path / "v.bin")


def test_a_header_with_excessive_n_grams_is_refused(trained: tuple[FastText, Path], tmp_path) -> None:
    body = bytearray(trained[1].read_bytes())
    body[48:52] = (1 << 30).to_bytes(4, "little")  # the longest n-gram
    (tmp_path / "v.bin").write_bytes(body)
    with pytest.raises(InputDataError, match="n-grams of 1 to 1073741824 characters"):
        _read(tmp_path / "v.bin")


def test_a_compressed_file_is_refused_with_a_suggestion(trained: tuple[FastText, Path], tmp_path) -> None:
    (tmp_path / "v.bin.gz").write_bytes(gzip.compress(trained[1].read_bytes()))
    with pytest.raises(InputDataError, match=r"a fastText \.bin, packed \(gzip\)") as caught:
        _read(tmp_path / "v.bin.gz")
    assert "unpack it" in caught.value.next_step


def test_a_classifier_is_refused(trained: tuple[FastText, Path], tmp_path) -> None:
    body = bytearray(trained[1].read_bytes())
    body[64 + 8 : 64 + 12] = (3).to_bytes(4, "little")  # number of labels
    (tmp_path / "v.bin").write_bytes(body)
    with pytest.raises(InputDataError, match="a fastText classifier"):
        _read(tmp_path / "v.bin")


def test_a_vec_file_is_read_as_text(trained: tuple[FastText, Path], tmp_path) -> None:
    model, _ = trained
    model.wv.save_word2vec_format(str(tmp_path / "zh.vec"), binary=False)
    with open_vectors(tmp_path / "zh.vec") as reader:
        ((words, matrix),) = reader.blocks()
    assert reader.format == "word2vec text" and sorted(words) == sorted(WORDS)
    np.testing.assert_allclose(matrix, [model.wv[word] for word in words], atol=1e-6)

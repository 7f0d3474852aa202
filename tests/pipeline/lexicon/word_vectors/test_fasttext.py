"""fastText's own binary, through gensim: the vectors that fastText gives, or a refusal before gensim sees the file."""

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


def test_words_have_the_vectors_that_fasttext_gives_them(trained: tuple[FastText, Path]) -> None:
    model, path = trained
    words, repairs = _read(path)
    assert sorted(words) == sorted(WORDS) and not repairs
    for word, vector in words.items():
        np.testing.assert_allclose(vector, model.wv[word], atol=1e-6)


def test_a_bad_word_is_repaired_and_counted(trained: tuple[FastText, Path], tmp_path) -> None:
    body = trained[1].read_bytes()
    (tmp_path / "v.bin").write_bytes(body.replace("银行".encode(), b"\xe9\x93" + "行".encode() + b"a", 1))
    words, repairs = _read(tmp_path / "v.bin")
    assert repairs == {"bad bytes": 1} and "\ufffd行a" in words


@pytest.mark.parametrize("keep", [3, 40, 90, 100, 200, 1000, -1000])
def test_a_cut_file_is_refused_and_never_waits(keep: int, trained: tuple[FastText, Path], tmp_path) -> None:
    (tmp_path / "v.bin").write_bytes(trained[1].read_bytes()[:keep])
    with pytest.raises(InputDataError, match=r"v\.bin"):
        _read(tmp_path / "v.bin")


def test_a_header_cannot_ask_for_more_than_the_file_holds(trained: tuple[FastText, Path], tmp_path) -> None:
    body = bytearray(trained[1].read_bytes())
    body[8:12] = (1 << 30).to_bytes(4, "little")  # the width
    (tmp_path / "v.bin").write_bytes(body)
    with pytest.raises(InputDataError, match="not a whole fastText model"):
        _read(tmp_path / "v.bin")


def test_a_header_cannot_ask_for_n_grams_without_end(trained: tuple[FastText, Path], tmp_path) -> None:
    body = bytearray(trained[1].read_bytes())
    body[48:52] = (1 << 30).to_bytes(4, "little")  # the longest
    (tmp_path / "v.bin").write_bytes(body)
    with pytest.raises(InputDataError, match="n-grams of 1 to 1073741824 characters"):
        _read(tmp_path / "v.bin")


def test_packed_it_is_refused_with_what_to_do(trained: tuple[FastText, Path], tmp_path) -> None:
    (tmp_path / "v.bin.gz").write_bytes(gzip.compress(trained[1].read_bytes()))
    with pytest.raises(InputDataError, match=r"a fastText \.bin, packed \(gzip\)") as raised:
        _read(tmp_path / "v.bin.gz")
    assert "unpack it" in raised.value.next_step


def test_a_classifier_is_refused(trained: tuple[FastText, Path], tmp_path) -> None:
    body = bytearray(trained[1].read_bytes())
    body[64 + 8 : 64 + 12] = (3).to_bytes(4, "little")  # labels
    (tmp_path / "v.bin").write_bytes(body)
    with pytest.raises(InputDataError, match="a fastText classifier"):
        _read(tmp_path / "v.bin")


def test_the_vec_beside_it_is_text(trained: tuple[FastText, Path], tmp_path) -> None:
    model, _ = trained
    model.wv.save_word2vec_format(str(tmp_path / "zh.vec"), binary=False)
    with open_vectors(tmp_path / "zh.vec") as reader:
        ((words, matrix),) = reader.blocks()
    assert reader.format == "word2vec text" and sorted(words) == sorted(WORDS)
    np.testing.assert_allclose(matrix, [model.wv[word] for word in words], atol=1e-6)

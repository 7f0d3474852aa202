"""Words are read as UTF-8 unless another encoding is given; files in any other encoding are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ssmi.pipeline.contract.errors import InputDataError, ParameterError
from ssmi.pipeline.contract.parameters.params import check_params
from ssmi.pipeline.lexicon.word_vectors import open_vectors

WORDS = ["中国", "语言", "大学", "教授", "公司", "经理", "人民", "医院", "银行", "北京", "上海", "ab"] * 4


def _text(words: list[str], encoding: str) -> bytes:
    return "".join([f"{len(words)} 2\n", *(f"{word} 0.5 {row}\n" for row, word in enumerate(words))]).encode(encoding)


def _binary(words: list[str], encoding: str) -> bytes:
    rows = [word.encode(encoding) + b" " + np.float32([0.5, row]).tobytes() for row, word in enumerate(words)]
    return f"{len(words)} 2\n".encode() + b"".join(rows)


def _read(path: Path, encoding: str = "utf-8") -> tuple[list[str], dict[str, int], str]:
    words: list[str] = []
    with open_vectors(path, encoding=encoding) as reader:
        for block, _ in reader.blocks():
            words += block
    return words, dict(+reader.repairs), reader.encoding


@pytest.mark.parametrize("encoding", ["gb18030", "gbk", "big5hkscs", "utf-8"])
@pytest.mark.parametrize("write", [_text, _binary])
def test_words_are_read_in_the_given_encoding(write: Callable[..., bytes], encoding: str, tmp_path) -> None:
    words = [word.replace("语", "語") for word in WORDS] if encoding == "big5hkscs" else WORDS
    words = [word for word in words if not set(word) & set("语学业经医银国") or encoding != "big5hkscs"]
    (tmp_path / "v").write_bytes(write(words, encoding))
    assert _read(tmp_path / "v", encoding) == (words, {}, encoding)


@pytest.mark.parametrize(("write", "location"), [(_text, r"v:2: "), (_binary, r"v: byte 5: ")])
def test_another_encoding_is_refused_with_the_parameter_to_set(
    write: Callable[..., bytes], location: str, tmp_path
) -> None:
    (tmp_path / "v").write_bytes(write(WORDS, "gbk"))
    with pytest.raises(InputDataError, match=location + r"the word is not utf-8, as \d\d of 48") as caught:
        _read(tmp_path / "v")
    assert "-S vocab.encoding=gb18030" in caught.value.next_step


@pytest.mark.parametrize("encoding", ["gb18030", "big5hkscs"])
def test_utf_8_is_not_read_in_another_encoding(encoding: str, tmp_path) -> None:
    (tmp_path / "v").write_bytes(_text(["中文", "一二三四"] * 20, "utf-8"))
    with pytest.raises(InputDataError) as caught:
        _read(tmp_path / "v", encoding)
    assert "vocab.encoding=utf-8" in caught.value.next_step


def test_a_byte_order_mark_overrides_the_encoding(tmp_path) -> None:
    (tmp_path / "v").write_bytes(b"\xef\xbb\xbf" + _text(WORDS, "utf-8"))
    assert _read(tmp_path / "v", "gb18030") == (WORDS, {"byte order mark": 1}, "utf-8")


def test_a_few_words_with_bad_bytes_are_repaired_and_counted(tmp_path) -> None:
    body = _text([f"词{number}" for number in range(300)], "utf-8").replace("词7 ".encode(), b"\xe8\xaf7 ")
    (tmp_path / "v").write_bytes(body)
    words, repairs, _ = _read(tmp_path / "v")
    assert repairs == {"bad bytes": 1} and words[7] == "\ufffd7" and len(words) == 300


def test_a_large_file_of_another_encoding_is_refused_before_its_end(tmp_path) -> None:
    body = _text(WORDS * 250, "gbk") + b"then a line that breaks off" * (1 << 16)
    (tmp_path / "v").write_bytes(body)
    with pytest.raises(InputDataError, match="v:2: the word is not utf-8, as"):
        _read(tmp_path / "v")


def test_utf_16_is_refused_by_its_byte_order_mark(tmp_path) -> None:
    (tmp_path / "v").write_bytes(_text(WORDS, "utf-16"))
    with pytest.raises(InputDataError, match="UTF-16"):
        _read(tmp_path / "v")


@pytest.mark.parametrize("value", ["gbx", "utf-16", "base64", "cp037", "utf-8-sig"])
def test_unsupported_encodings_are_refused_as_parameters(value: str) -> None:
    with pytest.raises(ParameterError, match=r"vocab\.encoding: "):
        check_params({"vocab": {"encoding": value}}, source="here")


def test_the_name_of_utf_8_is_normalised() -> None:
    assert check_params({"vocab": {"encoding": "UTF8"}}, source="here").vocab.encoding == "utf-8"

"""User dictionaries: lines that jieba cannot use are reported with the reason."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import pytest

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.features.text.segmentation import segment_sentence
from ssmi.pipeline.lexicon.segmenter import open_segmenter
from ssmi.pipeline.lexicon.user_dictionary import (
    LONGEST_WORD,
    WRITE,
    UserWord,
    count_uses,
    read_user_dictionary,
    repeated,
)

VALID = "云计算平台 99999 n\n欧台怠杆 500\n\n韩玉鉴赏 nz\r\n八一双鹿  \nAI+教育 3\n"


def _write(folder: Path, body: str | bytes) -> Path:
    path = folder / "words.txt"
    path.write_bytes(body.encode() if isinstance(body, str) else body)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lines_are_read_as_word_count_and_tag(encoding: str, tmp_path) -> None:
    assert read_user_dictionary(_write(tmp_path, VALID.encode(encoding))) == [
        UserWord(1, "云计算平台", 99999, "n"),
        UserWord(2, "欧台怠杆", 500, None),
        UserWord(4, "韩玉鉴赏", None, "nz"),
        UserWord(5, "八一双鹿", None, None),
        UserWord(6, "AI+教育", 3, None),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("云计算平台,99999,n", "not separated by blanks"),
        ("云计算平台，99999", "not separated by blanks"),
        ("云计算平台\t99999", "a tab"),
        ("云计算平台\u300099999", "a full-width"),
        ("云计算平台  99999", "more than one blank"),
        (" 云计算平台", "more than one blank"),
        ("南北高架 nz 5", "tag comes before the count"),
        ("500 南北高架", "count comes before the word"),
        ("南北高架 1.5", "not a whole number"),
        ("南北高架 -3 n", "not a whole number"),
        (f"南北高架 {'9' * 19}", "a count of over 18 digits"),
        (f"南北高架 {'9' * 5000} n", "a count of over 18 digits"),
        ("Edu Trust认证 2000", "a blank inside the word"),
        ("南北高架 5 名词", "a blank inside the word, or a field that is neither count nor tag"),
        ("# 我的词", "a blank inside"),
    ],
)
def test_malformed_lines_are_reported(line: str, reason: str, tmp_path) -> None:
    path = _write(tmp_path, f"好词一二 5\n{line}\n云服务器 5\n{line}\n")
    with pytest.raises(InputDataError, match=reason) as caught:
        read_user_dictionary(path)
    assert f"{path}:2: " in caught.value.message and f"{path}:4: " in caught.value.message
    assert f"{path}:1: " not in caught.value.message and "word [count] [tag]" in caught.value.next_step


def test_words_of_over_a_thousand_characters_are_refused(tmp_path) -> None:
    """jieba stores every prefix of a word; those of a 10 MB word would exhaust any memory."""
    assert len(read_user_dictionary(_write(tmp_path, "甲" * LONGEST_WORD))) == 1
    with pytest.raises(InputDataError, match=r"words\.txt:1: '甲{40}': a word of over 1000 characters"):
        read_user_dictionary(_write(tmp_path, "甲" * (10 << 20) + " 5\n"))


def test_only_the_first_malformed_lines_are_listed(tmp_path) -> None:
    with pytest.raises(InputDataError, match=r"words\.txt:20: .*; and 480 more lines"):
        read_user_dictionary(_write(tmp_path, "甲,1\n" * 500))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"ab 1\n" + "云计算 5\n".encode("gb18030"),
            r"words\.txt:2: not UTF-8 \(byte 1 of the line is 0xd4: .*\); user",
        ),
        ("云计算 5\n".encode("utf-16")[:-1], r"words\.txt: not UTF-16-LE \(truncated data\); user"),
    ],
    ids=["gb18030", "half of a UTF-16 unit"],
)
def test_bytes_of_another_encoding_are_refused_with_their_place(data: bytes, message: str, tmp_path) -> None:
    with pytest.raises(InputDataError, match=message):
        read_user_dictionary(_write(tmp_path, data))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (gzip.compress("云计算 5\n".encode()), "packed with gzip"),
        (bz2.compress("云计算 5\n".encode()), "packed with bzip2"),
        (b"PK\x03\x04" + bytes(300), "a zip archive"),
    ],
    ids=["gzip", "bzip2", "zip"],
)
def test_packed_dictionaries_are_to_be_unpacked(data: bytes, what: str, tmp_path) -> None:
    with pytest.raises(InputDataError, match=rf"words\.txt: {what}") as caught:
        read_user_dictionary(_write(tmp_path, data))
    assert caught.value.next_step == "unpack it first"


def test_a_parquet_file_is_no_dictionary(tmp_path) -> None:
    with pytest.raises(InputDataError, match=r"words\.txt: a Parquet file") as caught:
        read_user_dictionary(_write(tmp_path, b"PAR1\x15"))
    assert caught.value.next_step == WRITE


def test_exactly_the_words_reported_as_unmatchable_never_match(tmp_path) -> None:
    """Try every pair of characters of all kinds; jieba gives words without a count one that lets them match."""
    letters = "央視a1·，《Ａ𠮷-+#.é"
    words = [f"{left}{right}" for left in letters for right in letters]
    path = _write(tmp_path, "\n".join(words))
    known = read_user_dictionary(path)
    assert [one.word for one in known] == words
    cut = open_segmenter("jieba", hmm=False, user_dict=path)
    matches = {one.word: one.word in segment_sentence(["。", *one.word, "。"], cut)[0] for one in known}
    assert not any(matches[one.word] for one in known if one.unmatchable_reason)
    assert all(matches[one.word] for one in known if not one.unmatchable_reason)
    assert 0 < sum(matches.values()) < len(matches)


def test_uses_are_counted_by_line(tmp_path) -> None:
    path = _write(tmp_path, "南都高枕 1000000\n音·乐\n欧台怠杆 1000000\n南都高枕 2000000\n云计 0\n")
    words = read_user_dictionary(path)
    assert [(one.line, last) for one, last in repeated(words)] == [(1, 4)]
    cut = open_segmenter("jieba", hmm=True, user_dict=path)
    texts = ["南都高枕和南都高枕", "在南都高枕", "音·乐"]
    uses = count_uses(words, map(list, texts), segment=lambda characters: segment_sentence(characters, cut)[0])
    assert [(use.line, use.segments, use.sentences, use.note) for use in uses] == [
        (1, 3, 2, "line 4 gives it again"),
        (2, 0, 0, "jieba cuts at '·'"),
        (3, 0, 0, ""),
        (4, 3, 2, ""),
        (5, 0, 0, "count 0 tells jieba never to cut it out"),
    ]

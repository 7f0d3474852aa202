"""The data check's findings, on small files with known faults and on the published files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

import pytest

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.inspect.data_check import check_splits
from ssmi.pipeline.inspect.data_findings import DataCheck, Finding, Overlap, SegmenterMatch
from ssmi.pipeline.readers.options import ReadOptions

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, content: str) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode())
        return path

    return write


def check(
    *,
    known: Callable[[str], bool] = lambda _: True,
    longest: int = 510,
    words: Callable[[str], Iterable[tuple[int, int]]] | None = None,
    **splits: Path,
) -> DataCheck:
    return check_splits(splits, known_characters=known, max_characters=longest, find_words=words)


def find(*words: str) -> Callable[[str], list[tuple[int, int]]]:
    """Find every occurrence of every word, as the vocabulary's trie does."""

    def inner(text: str) -> list[tuple[int, int]]:
        return [
            (start, start + len(word))
            for word in words
            for start in range(len(text) - len(word) + 1)
            if text.startswith(word, start)
        ]

    return inner


def test_train_without_any_entity_is_noted(write: Write) -> None:
    plain, tagged = write("plain.txt", "李 O\n明 O\n\n好 O\n"), write("tagged.txt", "[李明|PER]在。\n")
    checked = check(train=plain, dev=plain).splits
    assert [len([note for note in checked[name].notes if "no entity" in note]) for name in ("train", "dev")] == [1, 0]
    assert not any("no entity" in note for note in check(train=tagged, dev=plain).splits["train"].notes)


def test_counts_by_split_and_type(write: Write) -> None:
    train = write("train.txt", "[李明|PER]在[北京|LOC]。\n好。\n[王|PER]\n")
    train_check = check(train=train).splits["train"]
    assert (train_check.file, train_check.format, train_check.scheme) == ("train.txt", "bracket", None)
    assert (train_check.sentences, train_check.characters, train_check.longest_sentence) == (3, 9, 6)
    assert train_check.sentences_without_entity == 1
    assert train_check.entities == {"LOC": 1, "PER": 2}
    assert train_check.vocabulary is None


def test_ill_formed_tags_are_reported_with_their_lines(write: Write) -> None:
    train = write("train.bmes", "-DOCSTART- O\n\n甲 M-X\n乙 E-X\n\n丙 B-X\n丁 O\n\n")
    train_check = check(train=train).splits["train"]
    assert train_check.scheme == "BMES"
    assert train_check.repairs == {"orphan-continuation": Finding(1, [3]), "unclosed-entity": Finding(1, [6])}
    assert train_check.skipped == {"docstart": Finding(1, [1])}


def test_duplicates_and_overlaps(write: Write) -> None:
    train = write("train.txt", "[甲|X]乙\n甲乙\n[丙|X]丁\n[丙|X]丁\n[丙|X]丁\n")
    dev = write("dev.txt", "[甲|X]乙\n[甲乙|X]\n戊\n[己|X]\n")
    test = write("test.txt", "戊\n[戊|X]\n丙丁\n")
    checked = check(test=test, dev=dev, train=train)
    assert list(checked.splits) == ["train", "dev", "test"]
    assert [checked.splits[name].duplicates for name in checked.splits] == [3, 1, 1]
    assert [checked.splits[name].texts_tagged_two_ways for name in checked.splits] == [1, 1, 1]
    assert checked.overlaps == [
        Overlap("dev", "train", sentences=2, with_other_tags=1),
        Overlap("test", "train", sentences=1, with_other_tags=1),
        Overlap("test", "dev", sentences=2, with_other_tags=1),
    ]


def test_types_that_are_unseen_or_rare_in_train_are_reported(write: Write) -> None:
    train = write("train.txt", "[甲|MANY]\n" * 10 + "[甲|FEW]\n" * 9)
    dev = write("dev.txt", "[甲|NEW][乙|MANY]\n")
    test = write("test.txt", "[甲|NEW]\n[甲|OTHER]\n")
    checked = check(train=train, dev=dev, test=test)
    assert checked.types_unseen_in_train == {"NEW": 2, "OTHER": 1}
    assert checked.rare_types == {"FEW": 9}


def test_without_a_train_split_no_type_is_unseen(write: Write) -> None:
    checked = check(test=write("test.txt", "[甲|X]\n"))
    assert (checked.types_unseen_in_train, checked.rare_types, checked.overlaps) == ({}, {}, [])


def test_sentences_too_long_for_the_encoder_are_counted(write: Write) -> None:
    train = write("train.txt", "[甲|X]乙丙\n甲乙丙丁\n甲乙\n" + "甲乙丙丁\n" * 9)
    assert check(train=train, longest=3).splits["train"].too_long == Finding(10, [2, 4, 5, 6, 7])
    assert check(train=train, longest=4).splits["train"].too_long == Finding(0, [])


def test_characters_unknown_to_the_encoder_are_counted(write: Write) -> None:
    many = "".join(chr(0x4E00 + index) * (20 - index) for index in range(12))
    unknown = (
        check(train=write("train.txt", f"[a|X]bb{many}bb\n"), known=str.isascii).splits["train"].unknown_characters
    )
    assert (unknown.count, unknown.distinct) == (sum(range(9, 21)), 12)
    assert unknown.top == [(chr(0x4E00 + index), 20 - index) for index in range(10)]


def test_equally_frequent_unknown_characters_are_in_code_point_order(write: Write) -> None:
    checked = check(train=write("train.txt", "[丙|X]乙甲\n"), known=lambda _: False)
    assert checked.splits["train"].unknown_characters.top == [("丙", 1), ("乙", 1), ("甲", 1)]


def test_coverage_by_the_vocabulary(write: Write) -> None:
    train = write("train.txt", "[北京|LOC]大[学生|PER]来\n[北|LOC]\n")
    match = check(train=train, words=find("北京", "北京大", "大学生")).splits["train"].vocabulary
    assert match is not None
    assert match.covered_characters == pytest.approx(5 / 7)
    assert match.matched_entities == pytest.approx(1 / 3)


def test_tokens_of_several_characters_are_counted_as_their_characters(write: Write) -> None:
    train = write("train.jsonl", '{"tokens": ["New", "York", "雨"], "tags": ["B-LOC", "I-LOC", "B-LOC"]}\n')
    train_check = check(train=train, words=find("New York")).splits["train"]
    assert train_check.vocabulary is not None
    assert train_check.vocabulary.covered_characters == pytest.approx(8 / 9)
    assert train_check.vocabulary.matched_entities == pytest.approx(1 / 2)
    assert train_check.characters == 9
    assert train_check.repairs == {
        "blank-between-words": Finding(1, [1]),
        "token-of-several-characters": Finding(2, [1, 1]),
    }


def test_types_that_differ_only_in_case_are_reported_across_splits(write: Write) -> None:
    train = write("train.bio", "甲 B-PER\n乙 B-Loc\n\n")
    dev = write("dev.bio", "甲 B-Per\n乙 B-ORG\n\n")
    assert check(train=train, dev=dev).types_alike == [["PER", "Per"]]


def test_files_are_read_with_the_options(write: Write, tmp_path: Path) -> None:
    path = tmp_path / "train.bio"
    path.write_bytes("京 B-LOC\n\n".encode("gb18030"))
    options = ReadOptions(encoding="gb18030")
    checked = check_splits(
        {"train": path}, known_characters="京".__eq__, max_characters=510, find_words=None, options=options
    )
    assert checked.splits["train"].unknown_characters.count == 0


def test_without_entities_the_share_of_matched_entities_is_zero(write: Write) -> None:
    match = check(train=write("train.bio", "甲 O\n\n"), words=find("甲")).splits["train"].vocabulary
    assert match is not None
    assert (match.covered_characters, match.matched_entities) == (1.0, 0.0)


def test_the_result_is_plain_json(write: Write, tmp_path: Path) -> None:
    train = write("train.bmes", "甲 M-X\n。 O\n")
    text = json.dumps(asdict(check(train=train, known=lambda _: False, words=find("甲"))), ensure_ascii=False)
    assert json.loads(text)["splits"]["train"]["unknown_characters"]["top"] == [["。", 1], ["甲", 1]]
    assert str(tmp_path) not in text


def test_broken_files_are_refused_with_their_line(write: Write) -> None:
    with pytest.raises(InputDataError, match=r"dev\.bmes:2: "):
        check(train=write("train.bmes", "甲 O\n\n"), dev=write("dev.bmes", "甲 O\n乙\n"))


# SOURCE.md of each data set, "Duplicates and overlap": duplicates per split, texts tagged two ways per split,
# then (sentences, with other tags) for dev in train, test in train, test in dev
PUBLISHED = {
    "resume": ((18, 0, 1), (0, 0, 0), ((1, 0), (5, 1), (1, 0))),
    "weibo": ((101, 7, 8), (35, 0, 1), ((42, 13), (40, 11), (8, 2))),
    "msra": ((0, 49), (0, 0), ((0, 0),)),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_figures_of_the_published_files(name: str) -> None:
    root = os.environ.get("SSMI_DATA")
    if not root:
        pytest.skip("SSMI_DATA is unset")
    files = {path.name.split(".")[0]: path for path in (Path(root) / name).glob("*.bmes*")}
    checked = check(**files)
    duplicates, two_ways, overlaps = PUBLISHED[name]
    assert tuple(split.duplicates for split in checked.splits.values()) == duplicates
    assert tuple(split.texts_tagged_two_ways for split in checked.splits.values()) == two_ways
    assert tuple((overlap.sentences, overlap.with_other_tags) for overlap in checked.overlaps) == overlaps
    if name == "msra":
        train, test = checked.splits["train"], checked.splits["test"]
        assert (train.too_long.count, train.longest_sentence) == (30, 581)
        assert (test.too_long.count, test.longest_sentence) == (2, 1475)
        assert train.entities == {"NR": 17615, "NS": 36517, "NT": 20571}
        assert train.sentences_without_entity == 18219
    if name == "weibo":
        assert checked.rare_types == {"GPE.NOM": 8}
    if name == "resume":
        assert checked.splits["train"].repairs == {
            "orphan-continuation": Finding(2, [62392, 64414]),
            "unclosed-entity": Finding(2, [62390, 64412]),
        }


def test_two_segmenters_are_compared_on_the_first_thousand_sentences(write: Write) -> None:
    train = write("train.txt", "[人|A]\n" * 2 + "中国人。\n" * 1100)
    assert check(train=train).splits["train"].segmenters is None
    whole, halves = (lambda text: [text]), (lambda text: [text[:1], text[1:]])
    checked = check_splits(
        {"train": train}, known_characters=lambda _: True, max_characters=9, find_words=None, segmenters=(whole, halves)
    )
    assert checked.splits["train"].segmenters == SegmenterMatch(compared_sentences=1000, differing_sentences=998)

"""The visible part of texts and labelled sentences with blanks and characters without width."""

from __future__ import annotations

import re
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.features.text.blanks import visible_sentences, visible_stretches
from ssmi.pipeline.readers import read_sentences

BLANKS = " \t\u00a0\u3000\u2009\x0b\x0c\x1f"
MARKS = "\u200b\ufeff\u00ad\u200d\u202e\x00\x1b"
TEXTS = st.text(st.sampled_from(f"陈远，。a1.,éЖ한ー“😀\ue000\ud800{BLANKS}{MARKS}\n\r\x85\u2028\u2029"), max_size=20)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \u3000\n\n\u200b", []),
        ("陈思远", ["陈思远"]),
        ("\u3000\u3000陈 思\u00a0远 \n， 男\u200b。 ", ["陈思远，男。"]),
        ("Apple Inc", ["Apple Inc"]),
        ("Apple \t\u00a0\nInc", ["Apple Inc"]),
        ("Ap\u00adple\u200b Inc", ["Apple Inc"]),
        ("在 Apple 公司", ["在Apple公司"]),
        ("ＡＢ\u3000Ｃ, 2 : 1 个", ["ＡＢ Ｃ, 2 : 1个"]),
        ("Иван Ω 한국 말", ["Иван Ω 한국 말"]),
        ("Jose\u0301 Maria हिन्दी भाषा สวัสดี ครับ", ["Jose\u0301 Maria हिन्दी भाषा สวัสดี ครับ"]),
        ("\u0301 a か\u3099 b", ["\u0301a か\u3099b".replace(" ", "")]),
        ("カ タ ー ｶ ﾀ", ["カターｶﾀ"]),
        ("a “b” c", ["a“b”c"]),
        # a blank line ends a sentence, one line end does not
        ("陈思\r\n远", ["陈思远"]),
        ("一\n\n二\r\n \u3000\r\n三\r\r四\u2029五", ["一", "二", "三", "四", "五"]),
        ("\n\n一\n\u200b\n", ["一"]),
    ],
)
def test_visible_stretches_of_a_text(text: str, expected: list[str]) -> None:
    assert [stretch.text for stretch in visible_stretches(text)] == expected


def test_characters_without_width_are_those_of_two_categories() -> None:
    characters = [(chr(code), unicodedata.category(chr(code))) for code in range(sys.maxunicode + 1)]
    invisible = "".join(one for one, category in characters if category in ("Cf", "Cc") or one.isspace())
    assert visible_stretches(invisible) == []
    # characters that this Python's tables do not know may be either
    visible = "".join(one for one, category in characters if category not in ("Cf", "Cc", "Cn") and not one.isspace())
    assert [stretch.text for stretch in visible_stretches(visible)] == [visible]


@given(TEXTS)
def test_positions_refer_to_the_original_text(text: str) -> None:
    stretches = visible_stretches(text)
    places = [place for stretch in stretches for place in stretch.positions]
    assert places == sorted(set(places))
    for stretch in stretches:
        assert len(stretch.positions) == len(stretch.text) > 0
        for character, place in zip(stretch.text, stretch.positions, strict=True):
            assert text[place] == character or (character == " " and text[place].isspace())
        assert stretch.text == stretch.text.strip() and not re.search(r" \s|[^\S ]", stretch.text)
        assert [again.text for again in visible_stretches(stretch.text)] == [stretch.text]
    assert sum(not c.isspace() and c not in MARKS for c in text) == sum(
        c != " " for stretch in stretches for c in stretch.text
    )


@given(st.text("陈远，男a", max_size=8), st.data())
def test_blanks_next_to_chinese_characters_are_ignored(text: str, data: st.DataObject) -> None:
    runs = st.text(BLANKS + MARKS, max_size=3)
    spaced = "".join(
        character if text[:index][-1:] == "a" == character else data.draw(runs) + character
        for index, character in enumerate(text)
    ) + data.draw(runs)
    assert [stretch.text for stretch in visible_stretches(spaced)] == ([text] if text else [])


# --- labelled sentences -----------------------------------------------------------------------------------------------


def read(path: Path, *rows: str) -> tuple[list[tuple[str, list[Span], int]], dict[str, int], dict[str, int]]:
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    sentences, report = read_sentences(path)
    visible = [("".join(one.characters), list(one.entities), one.line) for one in visible_sentences(sentences, report)]
    assert report.n_sentences == len(visible)
    assert report.n_characters == sum(len(text) for text, _, _ in visible)
    assert report.n_entities == sum(len(spans) for _, spans, _ in visible)
    return visible, report.repairs, report.skipped


def test_gold_entities_are_moved_with_their_characters(tmp_path: Path) -> None:
    sentences, repairs, skipped = read(
        tmp_path / "train.jsonl",
        r'{"text": "陈思远在北京", "entities": [[0, 3, "PER"], [4, 6, "LOC"]]}',
        r'{"text": "\u3000陈 思远 在\u200b北京，用 Apple Inc 的", "entities": '
        r'[[0, 6, "PER"], [8, 10, "LOC"], [12, 22, "ORG"]]}',
        r'{"text": " \n ", "entities": [[0, 1, "PER"]]}',
        r'{"text": "一 \n\n第二 段三", "entities": [[0, 1, "A"], [1, 2, "X"], [4, 8, "B"], [8, 9, "C"]]}',
    )
    assert sentences == [
        ("陈思远在北京", [Span(0, 3, "PER"), Span(4, 6, "LOC")], 1),
        ("陈思远在北京，用Apple Inc的", [Span(0, 3, "PER"), Span(4, 6, "LOC"), Span(8, 17, "ORG")], 2),
        ("一", [Span(0, 1, "A")], 4),
        ("第二段三", [Span(0, 3, "B"), Span(3, 4, "C")], 4),
    ]
    assert repairs == {"entity-with-blank-at-edge": 2, "blanks-left-out": 2}
    assert skipped == {"nothing-but-blanks": 1, "entity-of-blanks": 2}


def test_an_entity_across_a_blank_line_is_dropped_and_counted(tmp_path: Path) -> None:
    sentences, repairs, skipped = read(
        tmp_path / "train.jsonl", r'{"text": "甲乙\n\n丙丁", "entities": [[1, 5, "X"], [5, 6, "Y"]]}'
    )
    assert sentences == [("甲乙", [], 1), ("丙丁", [Span(1, 2, "Y")], 1)]
    assert (repairs, skipped) == ({"blanks-left-out": 1}, {"entity-over-blank-line": 1})


def test_a_file_without_visible_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match="holds no sentence"):
        read(tmp_path / "train.jsonl", r'{"text": " \u3000", "entities": []}')

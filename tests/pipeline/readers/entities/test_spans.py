"""Entity offsets: their unit, and whether they agree with the text."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.readers import ReadReport, Sentence, read_sentences
from ssmi.pipeline.readers.entities.spans import without_overlaps
from ssmi.pipeline.readers.options import Offsets, ReadOptions

Write = Callable[..., Path]

EMOJI = "😀😀李建国在东海市工作"  # code points 2..5 and 6..9, UTF-16 units 4..7 and 8..11


def rows(*content: tuple[str, list[Any]]) -> str:
    return "".join(json.dumps({"text": text, "entities": spans}, ensure_ascii=False) + "\n" for text, spans in content)


def read(path: Path, offsets: Offsets = "auto") -> tuple[list[Sentence], ReadReport]:
    sentences, report = read_sentences(path, options=ReadOptions(offsets=offsets))
    return list(sentences), report


def texts(sentence: Sentence) -> list[str]:
    return [sentence.text[span.start : span.end] for span in sentence.entities]


def test_quoted_texts_determine_the_unit_of_the_file(write: Write) -> None:
    plain = (EMOJI, [[8, 11, "LOC"]])
    quoting = ("😀赵敏", [{"start": 2, "end": 4, "label": "PER", "text": "赵敏"}])
    sentences, report = read(write(rows(plain, quoting), "raw.jsonl"))
    assert [texts(sentence) for sentence in sentences] == [["东海市"], ["赵敏"]]
    assert report.notes == ["offsets are read as UTF-16 units, as the quoted texts say (first at raw.jsonl:2)"]

    quoting = ("😀赵敏", [{"start": 1, "end": 3, "label": "PER", "text": "赵敏"}])
    sentences, report = read(write(rows(plain, quoting), "raw.jsonl"))
    assert [texts(sentence) for sentence in sentences] == [["市工作"], ["赵敏"]]
    assert report.notes == []


def test_contradictory_quoted_texts_are_refused(write: Write) -> None:
    units = ("😀赵敏", [{"start": 2, "end": 4, "label": "PER", "word": "赵敏"}])
    points = ("😀赵敏", [{"start": 1, "end": 3, "label": "PER", "word": "赵敏"}])
    path = write(rows(units, points), "raw.jsonl")
    with pytest.raises(InputDataError) as caught:
        read(path)
    assert f"{path}:1: " in caught.value.message and f"{path}:2" in caught.value.message


def test_an_entity_outside_the_text_implies_utf16(write: Write) -> None:
    path = write(rows((EMOJI, [[4, 7, "PER"]]), ("😀在东海市", [[3, 6, "LOC"]])), "raw.jsonl")
    sentences, report = read(path)
    assert [texts(sentence) for sentence in sentences] == [["李建国"], ["东海市"]]
    assert "UTF-16" in report.notes[0] and "raw.jsonl:2" in report.notes[0]
    with pytest.raises(InputDataError, match=r"raw\.jsonl:2: .*outside the text of 5 code points; .*`offsets: utf-16`"):
        read(path, "code-points")


def test_ambiguous_offsets_are_read_as_code_points_and_noted(write: Write) -> None:
    path = write(rows(("赵敏在江城", [[0, 2, "PER"]]), (EMOJI, [[4, 7, "PER"], [8, 11, "LOC"]])), "raw.jsonl")
    sentences, report = read(path)
    assert texts(sentences[1]) == ["国在东", "市工作"]
    assert len(report.notes) == 1
    assert "raw.jsonl:2" in report.notes[0] and "`offsets: utf-16`" in report.notes[0]
    sentences, report = read(path, "utf-16")
    assert [texts(sentence) for sentence in sentences] == [["赵敏"], ["李建国", "东海市"]]
    assert report.notes == []


def test_an_offset_inside_a_surrogate_pair_implies_code_points(write: Write) -> None:
    path = write(rows((EMOJI, [[2, 5, "PER"]]), ("😀😀京", [[1, 3, "X"]])), "raw.jsonl")
    sentences, report = read(path)
    assert texts(sentences[0]) == ["李建国"] and report.notes == []
    with pytest.raises(InputDataError, match=r"raw\.jsonl:2: .*inside a character"):
        read(path, "utf-16")


def test_emoji_after_all_entities_give_no_note(write: Write) -> None:
    sentences, report = read(write(rows(("李建国😀😀", [[0, 3, "PER"]])), "raw.jsonl"))
    assert texts(sentences[0]) == ["李建国"] and report.notes == []


@pytest.mark.parametrize("key", ["text", "entity", "word", "mention", "value", "name"])
@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        (2, 4, "the end seems to be that of the last character itself"),
        (3, 5, "offsets seem to count from 1 and to include"),
        (3, 6, "offsets seem to count from 1: "),
        (0, 2, "the text holds '谁是' there"),
    ],
)
def test_a_quoted_text_under_any_key_must_match_the_text(
    write: Write, key: str, start: int, end: int, reason: str
) -> None:
    good = ("谁是李建国啊", [{"start": 2, "end": 5, "type": "PER", key: "李建国"}])
    assert texts(read(write(rows(good), "raw.jsonl"))[0][0]) == ["李建国"]
    bad = ("谁是李建国啊", [{"start": start, "end": end, "type": "PER", key: "李建国"}])
    with pytest.raises(InputDataError) as caught:
        read(write(rows(good, bad), "raw.jsonl"))
    assert "raw.jsonl:2: entity" in caught.value.message and reason in caught.value.message


def test_the_entity_field_is_the_type_if_no_other_field_is(write: Write) -> None:
    row = ("李建国", [{"start": 0, "end": 3, "entity": "PER", "value": "李建国"}])
    assert read(write(rows(row), "raw.jsonl"))[0][0].entities == (Span(0, 3, "PER"),)


@pytest.mark.parametrize("label", ["PER ", "B\x02", "a\tb", "a\nb"])
def test_invalid_types_are_refused(write: Write, label: str) -> None:
    with pytest.raises(InputDataError, match=r"raw\.jsonl:1: entity type"):
        read(write(rows(("李明", [[0, 2, label]])), "raw.jsonl"))


@settings(max_examples=60, deadline=None)
@given(
    text=st.text(st.sampled_from("李a 😀𠮷。"), min_size=1, max_size=12),
    data=st.data(),
    quotes=st.booleans(),
)
def test_utf16_offsets_select_the_annotated_text(
    tmp_path_factory: pytest.TempPathFactory, text: str, data: st.DataObject, quotes: bool
) -> None:
    bounds = sorted(data.draw(st.sets(st.integers(0, len(text)))))
    spans = [Span(*pair, "X") for pair in zip(bounds[::2], bounds[1::2], strict=False)]
    units = [len(text[:place].encode("utf-16-le")) // 2 for place in range(len(text) + 1)]
    entities = [{"start": units[s.start], "end": units[s.end], "label": "X"} for s in spans]
    if quotes:
        entities = [{**item, "text": text[s.start : s.end]} for item, s in zip(entities, spans, strict=True)]
    path = tmp_path_factory.mktemp("units") / "raw.jsonl"
    path.write_text(rows((text, entities)), encoding="utf-8")
    assert read(path, "utf-16")[0] == [Sentence(tuple(text), tuple(spans), 1)]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 8)), max_size=12))
def test_the_longer_of_overlapping_entities_is_kept(pairs: list[tuple[int, int]]) -> None:
    spans = [Span(start, start + length, str(place)) for place, (start, length) in enumerate(pairs)]
    report = ReadReport(Path("raw"), "jsonl")
    kept = without_overlaps(spans, line=1, report=report)
    assert list(kept) == sorted(kept)
    assert all(left.end <= right.start for left, right in pairwise(kept))
    assert len(kept) + report.skipped.get("overlapping-entity", 0) == len(spans)
    for dropped in set(spans) - set(kept):
        length = dropped.end - dropped.start
        assert any(
            one.start < dropped.end and dropped.start < one.end and one.end - one.start >= length for one in kept
        )

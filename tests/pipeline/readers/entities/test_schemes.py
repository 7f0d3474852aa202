"""Scheme detection, mixed schemes and ill-formed gold tags, read with ``read_sentences``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.readers import ReadReport, Sentence, read_sentences
from ssmi.pipeline.readers.options import ReadOptions

Write = Callable[..., Path]


def rows(*tags: str) -> str:
    """A file with one sentence per argument: its tags, separated by spaces."""
    return "\n".join("".join(f"字 {tag}\n" for tag in sentence.split(" ")) for sentence in tags) + "\n"


def read(path: Path) -> tuple[list[Sentence], ReadReport]:
    sentences, report = read_sentences(path)
    return list(sentences), report


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        ("O O", "BIO"),
        ("B-X O", "BIO"),
        ("B-X I-X O", "BIO"),
        ("I-X I-X O I-X", "BIO"),
        ("B-X E-X", "BMES"),
        ("S-X", "BMES"),
        ("B-X M-X E-X", "BMES"),
        ("B-X I-X E-X", "BIOES"),
        ("B-X I-X E-X S-X", "BIOES"),
    ],
)
def test_scheme_is_detected_from_the_roles(write: Write, tags: str, scheme: str) -> None:
    assert read(write(rows("O O", tags)))[1].scheme == scheme


def test_scheme_is_detected_from_the_whole_file(write: Write) -> None:
    assert read(write(rows(*["B-X E-X"] * 3000, "B-X I-X E-X")))[1].scheme == "BIOES"


@pytest.mark.parametrize(
    ("sentences", "first", "second"),
    [
        (("O B-X M-X E-X", "B-X I-X O"), "{}:3 has M-", "{}:7 has I-"),
        (("B-X I-X", "B-X M-X E-X"), "{}:2 has I-", "{}:5 has M-"),
        (("B-X I-X O", "S-X O"), "{}:2 has I-", "{}:5 has S-"),
        (("S-X O", "B-X I-X O"), "{}:1 has S-", "{}:5 has I-"),
        (("B-X I-X I-X", "B-X O B-X", "B-X E-X"), "{}:2 has I-", "{}:10 has E-"),
    ],
)
def test_mixed_schemes_are_refused_with_a_line_of_each(
    write: Write, sentences: tuple[str, ...], first: str, second: str
) -> None:
    path = write(rows(*sentences), "raw.bio")
    with pytest.raises(InputDataError) as caught:
        read(path)
    assert f"{first.format(path)} and {second.format(path)}" in caught.value.message
    assert "BIOES" in caught.value.next_step


@pytest.mark.parametrize("tags", ["B-X I-X L-X O U-Y", "B-X L-X U-Y", "U-Y", "B-X L-X"])
def test_bilou_is_read_as_bioes(write: Write, tags: str) -> None:
    sentences, report = read(write(rows("O", tags)))
    assert report.scheme in ("BIOES", "BMES") and report.repairs == {}
    assert any("BILOU" in note for note in report.notes)
    lengths = {label: [s.end - s.start for s in sentences[1].entities if s.label == label] for label in "XY"}
    assert lengths["Y"] == ([1] if "U-Y" in tags else [])
    assert lengths["X"] == ([tags.count("-X")] if "-X" in tags else [])


@pytest.mark.parametrize("others", ["B-X E-X", "S-X", "B-X M-X E-X"])
def test_bilou_mixed_with_another_scheme_is_refused(write: Write, others: str) -> None:
    with pytest.raises(InputDataError, match="schemes are mixed"):
        read(write(rows("B-X I-X L-X U-X", others)))


@pytest.mark.parametrize(
    ("tags", "note"),
    [
        ("B_PER I_PER O", "B_PER"),
        ("B:PER I:PER O", "B:PER"),
        ("B\uff0dPER I\uff0dPER O", "B\uff0dPER"),
        ("PER-B PER-I O", "PER-B"),
        ("PER_B PER_I O", "PER_B"),
        ("b-PER I-PER O", "b-PER"),
        ("B-PER i-PER O", "i-PER"),
        ("B-PER I-PER o", "o"),
        ("B-PER I-PER 0", "0"),
        ("B_PER I-PER O", "B_PER"),
    ],
)
def test_other_spellings_are_read_and_noted(write: Write, tags: str, note: str) -> None:
    sentences, report = read(write(rows(f"O {tags}")))
    assert sentences[0].entities == (Span(1, 3, "PER"),)
    assert report.repairs == {}
    assert [text for text in report.notes if f"the first is {note} in line" in text]


def test_usual_tags_give_no_note(write: Write) -> None:
    assert read(write(rows("B-PER I-PER O", "B-a_b B-c:d I-e-B")))[1].notes == []


@pytest.mark.parametrize(
    ("tag", "hint"),
    [
        ("ORG-B", "did you mean 'B-ORG'?"),
        ("X-ORG", "did you mean 'B-ORG'?"),
        ("B", "names no entity type"),
        ("I-", "names no entity type"),
        ("B_", "names no entity type"),
        ("PER", "known: B-ORG, O"),
        ("B-甲\x02I-甲", "control character"),
        ("B-New\x0bYork", "white space"),
        ("1", "labels: [O, B-PER"),
        ("B-PER|I-ORG", "several tags in one"),
        ("B-PER/B-ORG", "nested entities as JSON lines"),
    ],
)
def test_invalid_tags_are_refused_with_line_and_hint(write: Write, tag: str, hint: str) -> None:
    path = write(rows("B-ORG O", tag), "raw.conll")
    with pytest.raises(InputDataError) as caught:
        read(path)
    assert f"{path}:4: " in caught.value.message
    assert hint in str(caught.value)


def test_numeric_tags_without_labels_are_refused(write: Write) -> None:
    path = write(rows("0 0"))
    with pytest.raises(InputDataError, match=r"raw\.txt:1: tag 0 is a number; .*by name.*labels:"):
        read(path)


def test_numeric_tags_are_read_with_labels(write: Write) -> None:
    path = write(rows("0 1 2 0 3"))
    options = ReadOptions(labels=("O", "B-PER", "I-PER", "B-LOC"))
    sentences, report = read_sentences(path, options=options)
    assert next(sentences).entities == (Span(1, 3, "PER"), Span(4, 5, "LOC"))
    assert report.scheme == "BIO"
    with pytest.raises(InputDataError, match=r"raw\.txt:5: tag 3, but `labels` names 3 \(0 to 2\)"):
        list(read_sentences(path, options=ReadOptions(labels=("O", "B-PER", "I-PER")))[0])


def test_a_number_too_long_for_python_is_refused_with_its_line(write: Write) -> None:
    path = write(rows("0 1", "9" * 5000))
    with pytest.raises(InputDataError, match=r"raw\.txt:4: tag 9+, but `labels` names 2"):
        list(read_sentences(path, options=ReadOptions(labels=("O", "B-PER")))[0])


def test_types_may_be_lower_case_and_contain_dashes(write: Write) -> None:
    assert read(write(rows("B-org I-org", "B-a-b")))[0][1].entities == (Span(0, 1, "a-b"),)


@pytest.mark.parametrize(
    ("tags", "spans", "repairs", "lines"),
    [
        # a sentence cut inside an entity, as twice in the published Resume train file
        (
            ("B-X M-X", "M-X E-X B-Y E-Y"),
            [[Span(0, 2, "X")], [Span(0, 2, "X"), Span(2, 4, "Y")]],
            {"unclosed-entity": 1, "orphan-continuation": 1},
            {"unclosed-entity": [2], "orphan-continuation": [4]},
        ),
        # only a B- in the sentence: still unclosed
        (
            ("B-X O", "B-X E-X"),
            [[Span(0, 1, "X")], [Span(0, 2, "X")]],
            {"unclosed-entity": 1},
            {"unclosed-entity": [1]},
        ),
        # BIO needs no closing; a type that changes without B- opens an entity
        (("B-X I-Y I-Y", "B-X B-X"), None, {"orphan-continuation": 1}, {"orphan-continuation": [2]}),
        # BIOES: a type that changes inside an entity counts as both faults
        (
            ("B-X I-X E-Y", "S-X"),
            [[Span(0, 2, "X"), Span(2, 3, "Y")], [Span(0, 1, "X")]],
            {"unclosed-entity": 1, "orphan-continuation": 1},
            {"unclosed-entity": [2], "orphan-continuation": [3]},
        ),
        # a BIO file with stray I-
        (("O I-X I-X O I-X", "O B-X"), None, {"orphan-continuation": 2}, {"orphan-continuation": [2, 5]}),
    ],
)
def test_ill_formed_gold_tags_are_repaired_and_counted(
    write: Write,
    tags: tuple[str, ...],
    spans: list[list[Span]] | None,
    repairs: dict[str, int],
    lines: dict[str, list[int]],
) -> None:
    sentences, report = read(write(rows(*tags)))
    assert report.repairs == repairs
    assert report.first_lines == lines
    if spans is not None:
        assert [list(sentence.entities) for sentence in sentences] == spans
    assert report.n_entities == sum(len(sentence.entities) for sentence in sentences)


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("I-X I-X B-X I-X O I-Y", [Span(0, 2, "X"), Span(2, 4, "X"), Span(5, 6, "Y")]),
        ("I-X I-Y", [Span(0, 1, "X"), Span(1, 2, "Y")]),
        ("O I-X", [Span(1, 2, "X")]),
    ],
)
def test_iob1_is_noted_and_needs_no_repair(write: Write, tags: str, spans: list[Span]) -> None:
    # the last tag of a sentence does not precede the first tag of the next sentence
    sentences, report = read(write(rows(tags, "I-X", "I-X O")))
    assert list(sentences[0].entities) == spans
    assert (report.scheme, report.repairs) == ("BIO", {})
    assert any("IOB1" in note for note in report.notes)


def test_only_the_first_lines_of_a_reason_are_kept(write: Write) -> None:
    report = read(write(rows(*["I-X"] * 50, "B-X")))[1]
    assert report.repairs == {"orphan-continuation": 50}
    assert report.first_lines == {"orphan-continuation": [1, 3, 5, 7, 9]}

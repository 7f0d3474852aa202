"""Scheme detection, mixtures and ill-formed gold tags, through the doorway."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.contract.errors import InputDataError
from pipeline.contract.labels import Span
from pipeline.readers import ReadReport, Sentence, read_sentences

Write = Callable[..., Path]


def rows(*tags: str) -> str:
    """A file of sentences, one for each argument: tags separated by spaces."""
    return "\n".join("".join(f"字 {tag}\n" for tag in sentence.split()) for sentence in tags) + "\n"


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
def test_scheme_is_told_from_the_roles(write: Write, tags: str, scheme: str) -> None:
    assert read(write(rows("O O", tags)))[1].scheme == scheme


def test_scheme_is_that_of_the_whole_file(write: Write) -> None:
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
def test_mixtures_name_a_line_of_each_party(write: Write, sentences: tuple[str, ...], first: str, second: str) -> None:
    path = write(rows(*sentences), "raw.bio")
    with pytest.raises(InputDataError) as caught:
        read(path)
    assert f"{first.format(path)} and {second.format(path)}" in caught.value.message
    assert "BIOES" in caught.value.next_step


@pytest.mark.parametrize("tag", ["U-X", "L-X"])
def test_biolu_is_refused_with_a_way_out(write: Write, tag: str) -> None:
    path = write(rows("O", f"B-X {tag}"))
    with pytest.raises(InputDataError, match="BIOLU") as caught:
        read(path)
    assert f"{path}:4" in caught.value.message
    assert "BIOES" in caught.value.next_step


@pytest.mark.parametrize(
    ("tag", "hint"),
    [
        ("b-ORG", "did you mean 'B-ORG'?"),
        ("o", "did you mean 'O'?"),
        ("ORG-B", "did you mean 'B-ORG'?"),
        ("B_ORG", "did you mean 'B-ORG'?"),
        ("X-ORG", "did you mean 'B-ORG'?"),
        ("B", "names no entity type"),
        ("I-", "names no entity type"),
        ("0", "known: B-ORG, O"),
    ],
)
def test_unknown_tags_are_refused_with_line_and_nearest(write: Write, tag: str, hint: str) -> None:
    path = write(rows("B-ORG O", tag), "raw.conll")
    with pytest.raises(InputDataError) as caught:
        read(path)
    assert f"{path}:4: " in caught.value.message
    assert hint in caught.value.message


def test_types_may_be_lower_case_and_hold_dashes(write: Write) -> None:
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
        # nothing but a B- in the sentence: unclosed all the same
        (
            ("B-X O", "B-X E-X"),
            [[Span(0, 1, "X")], [Span(0, 2, "X")]],
            {"unclosed-entity": 1},
            {"unclosed-entity": [1]},
        ),
        # BIO needs no closing; a type that changes without B- opens an entity
        (("B-X I-Y I-Y", "B-X B-X"), None, {"orphan-continuation": 1}, {"orphan-continuation": [2]}),
        # BIOES: both at once where the type changes inside
        (
            ("B-X I-X E-Y", "S-X"),
            [[Span(0, 2, "X"), Span(2, 3, "Y")], [Span(0, 1, "X")]],
            {"unclosed-entity": 1, "orphan-continuation": 1},
            {"unclosed-entity": [2], "orphan-continuation": [3]},
        ),
        # IOB1
        (("O I-X I-X O I-X", "O"), None, {"orphan-continuation": 2}, {"orphan-continuation": [2, 5]}),
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


def test_only_the_first_lines_of_a_reason_are_kept(write: Write) -> None:
    report = read(write(rows(*["I-X"] * 50)))[1]
    assert report.repairs == {"orphan-continuation": 50}
    assert report.first_lines == {"orphan-continuation": [1, 3, 5, 7, 9]}

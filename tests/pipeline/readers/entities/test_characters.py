"""Tokens of several characters, read with ``read_sentences``: training sees the same text as prediction."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.labels import Span, TagScheme, spans_to_tags
from ssmi.pipeline.readers import ReadReport, Sentence, read_sentences

Write = Callable[..., Path]
Tokens = list[tuple[str, str]]


def as_rows(*sentences: Tokens) -> str:
    return "\n".join("".join(f"{token}\t{tag}\n" for token, tag in sentence) for sentence in sentences) + "\n"


def as_objects(*sentences: Tokens) -> str:
    return "".join(
        json.dumps({"tokens": [token for token, _ in sentence], "tags": [tag for _, tag in sentence]}) + "\n"
        for sentence in sentences
    )


FILES = {"raw.bio": as_rows, "raw.jsonl": as_objects}
files = pytest.mark.parametrize("name", FILES)


def read(path: Path) -> tuple[list[Sentence], ReadReport]:
    sentences, report = read_sentences(path)
    return list(sentences), report


def entity_texts(sentence: Sentence) -> list[str]:
    return [f"{sentence.text[span.start : span.end]}/{span.label}" for span in sentence.entities]


@files
def test_words_are_cut_into_characters_and_counted(write: Write, name: str) -> None:
    sentence: Tokens = [("李", "B-PER"), ("明", "I-PER"), ("用", "O"), ("Linux", "B-SOFT"), ("。", "O")]
    sentences, report = read(write(FILES[name](sentence, sentence), name))
    assert sentences[0].characters == tuple("李明用Linux。")
    assert entity_texts(sentences[0]) == ["李明/PER", "Linux/SOFT"]
    assert report.repairs == {"token-of-several-characters": 2}
    assert report.first_lines["token-of-several-characters"] == ([4, 10] if name == "raw.bio" else [1, 2])


@files
@pytest.mark.parametrize("scheme", ["BIO", "BMES", "BIOES"])
def test_words_are_cut_in_every_scheme(write: Write, name: str, scheme: TagScheme) -> None:
    tokens = ["东海", "科技", "公司", "的", "Python", "3", "👩‍💻"]
    spans = [Span(0, 3, "ORG"), Span(4, 5, "SOFT"), Span(6, 7, "X")]
    tags = spans_to_tags(spans, n_characters=len(tokens), scheme=scheme)
    sentences, _ = read(write(FILES[name](list(zip(tokens, tags, strict=True))), name))
    assert entity_texts(sentences[0]) == ["东海科技公司/ORG", "Python/SOFT", "👩‍💻/X"]
    assert all(len(character) == 1 for character in sentences[0].characters)


@files
@pytest.mark.parametrize(
    ("sentence", "text", "entities"),
    [
        ([("New", "B-LOC"), ("York", "I-LOC"), ("的", "O")], "New York的", ["New York/LOC"]),
        ([("in", "O"), ("Paris", "B-LOC"), ("2024", "B-X")], "in Paris 2024", ["Paris/LOC", "2024/X"]),
        ([("Plan", "O"), ("B", "B-X")], "Plan B", ["B/X"]),
        ([("José", "B-P"), ("Ángel", "I-P")], "José Ángel", ["José Ángel/P"]),
        # consecutive single letters form one word
        ([("A", "B-X"), ("I", "I-X"), ("研", "O")], "AI研", ["AI/X"]),
        ([("C", "B-X"), ("++", "I-X"), ("语言", "O")], "C++语言", ["C++/X"]),
        ([("GPT", "B-X"), ("-", "I-X"), ("4", "I-X")], "GPT-4", ["GPT-4/X"]),
        ([("3.5", "O"), ("亿", "O"), ("USD", "O")], "3.5亿USD", []),
        # a file that has rows for blanks has one for every blank
        ([("New", "B-L"), (" ", "I-L"), ("York", "I-L"), ("MH", "B-X"), ("370", "I-X")], "New YorkMH370", None),
    ],
)
def test_a_blank_is_inserted_between_words(
    write: Write, name: str, sentence: Tokens, text: str, entities: list[str] | None
) -> None:
    sentences, report = read(write(FILES[name](sentence), name))
    assert sentences[0].text == text
    if entities is not None:
        assert entity_texts(sentences[0]) == entities
    inserted = len(text) - len("".join(token for token, _ in sentence))
    assert report.repairs.get("blank-between-words", 0) == inserted


@files
@pytest.mark.parametrize(
    ("tokens", "joined"),
    [
        # a file that has rows for blanks has one for every blank
        (["New", " ", "York", "的", "MH", "370"], 1),
        (["Нью", "Йорк"], 1),
        (["뉴욕", "시장"], 1),
        (["U.S.", "Army", ",", "Inc", ".", "said"], 3),
        (["Ａｐｐｌｅ", "Ｉｎｃ"], 1),
        (["New", "York"], 0),  # a blank is inserted and counted
        (["在", "New", "的", "3.5", "亿", "USD", "。"], 0),
        (["GPT", "-", "4", "C", "++", "A", "I"], 0),
        (["2023", "-", "05", ":", "30"], 0),
        (list("NewYork"), 0),
        (["北京", "大学", "カナ", "，", "好"], 0),
    ],
)
def test_words_joined_without_a_blank_are_counted(write: Write, name: str, tokens: list[str], joined: int) -> None:
    sentences, report = read(write(FILES[name]([(token, "O") for token in tokens]), name))
    assert report.repairs.get("words-without-blank", 0) == joined
    assert len(report.first_lines.get("words-without-blank", [])) == joined
    blanks = report.repairs.get("blank-between-words", 0)
    assert len(sentences[0].characters) == len("".join(tokens)) + blanks


@files
def test_word_pieces_are_joined(write: Write, name: str) -> None:
    sentence: Tokens = [("dock", "B-X"), ("##er", "I-X"), ("##s", "I-X"), ("hub", "O"), ("##", "O"), ("京", "O")]
    sentences, report = read(write(FILES[name](sentence), name))
    assert (sentences[0].text, entity_texts(sentences[0])) == ("dockers hub##京", ["dockers/X"])
    assert report.repairs == {"token-of-several-characters": 3, "blank-between-words": 1, "word-piece": 2}


@files
@pytest.mark.parametrize(
    "token",
    [
        "货车倒车碰到石墩，已报警。",
        "车辆直行时撞上路边护栏",  # no punctuation, but the file's tokens are too long on average
        "在 北京",
        "中国 OK",
        "一" * 16,
        "He lives in New York now",
    ],
)
def test_a_text_in_place_of_a_token_is_refused_with_its_line(write: Write, name: str, token: str) -> None:
    path = write(FILES[name]([("好", "O")], [(token, "B-X")]), name)
    with pytest.raises(InputDataError) as caught:
        read(path)
    assert caught.value.message.startswith(f"{path}:{3 if name == 'raw.bio' else 2}: expected one token")
    assert caught.value.message.endswith(f"got a text of {len(token)} characters")
    assert "JSON" in caught.value.next_step


@files
def test_long_words_are_accepted_as_tokens(write: Write, name: str) -> None:
    sentence: Tokens = [("中国国际贸易促进委员会", "B-ORG"), ("在", "O"), ("北京", "B-LOC"), ("开会", "O"), ("。", "O")]
    sentences, _ = read(write(FILES[name](sentence), name))
    assert entity_texts(sentences[0]) == ["中国国际贸易促进委员会/ORG", "北京/LOC"]


@files
def test_control_characters_inside_a_token_are_refused(write: Write, name: str) -> None:
    path = write(FILES[name]([("好", "O")], [("甲\x02乙", "O")]), name)
    with pytest.raises(InputDataError, match=r":[23]: token .* control character \(U\+0002\)"):
        read(path)


TOKEN = st.one_of(
    st.sampled_from("李明在京，。😀"),
    st.sampled_from(["Linux", "5", "GPT4", "A", "北京", "👍🏽", "e\u0301", "C++", "3.14"]),
)


@files
@settings(max_examples=60, deadline=None)
@given(tokens=st.lists(TOKEN, min_size=1, max_size=12), data=st.data())
def test_text_and_entities_match_the_tokens(
    tmp_path_factory: pytest.TempPathFactory, name: str, tokens: list[str], data: st.DataObject
) -> None:
    bounds = sorted(data.draw(st.sets(st.integers(0, len(tokens)), max_size=6)))
    spans = [Span(*pair, "X") for pair in pairwise(bounds)]
    tags = spans_to_tags(spans, n_characters=len(tokens), scheme="BIO")
    path = tmp_path_factory.mktemp("tokens") / name
    path.write_text(FILES[name](list(zip(tokens, tags, strict=True))), encoding="utf-8")
    sentences, report = read(path)
    sentence = sentences[0]
    assert all(len(character) == 1 for character in sentence.characters)
    assert sentence.text.replace(" ", "") == "".join(tokens)
    assert report.repairs.get("blank-between-words", 0) == sentence.text.count(" ")
    for span, token_span in zip(sentence.entities, spans, strict=True):
        text = sentence.text[span.start : span.end]
        assert text.replace(" ", "") == "".join(tokens[token_span.start : token_span.end])
        assert text == text.strip()
    # the text itself, written with one character per row, reads back as the same sentence
    rewritten = path.with_name("again.bio")
    tags = spans_to_tags(sentence.entities, n_characters=len(sentence.characters), scheme="BIO")
    rewritten.write_text(as_rows(list(zip(sentence.characters, tags, strict=True))), encoding="utf-8")
    assert [(s.characters, s.entities) for s in read(rewritten)[0]] == [(sentence.characters, sentence.entities)]

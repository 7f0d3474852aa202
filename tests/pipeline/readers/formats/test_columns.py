"""Character-per-line files, read with ``read_sentences``."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.labels import Span, TagScheme, spans_to_tags
from ssmi.pipeline.readers import Sentence, read_sentences

Write = Callable[..., Path]

TOKENS = st.one_of(
    st.characters(exclude_categories=("Cs",), exclude_characters="\n\r\0"),
    st.sampled_from([" ", "\t", "\u3000", "\xa0", "\x85", "\u2028", "\ufeff", "#", "。", "\ufffd"]),
    st.text(st.sampled_from("京中东nba😀\u0301"), min_size=2, max_size=4),
)
LABELS = st.sampled_from(["PER", "LOC", "GPE.NAM", "机构", "a-b"])


@st.composite
def sentences(draw: st.DrawFn) -> tuple[tuple[str, ...], tuple[Span, ...]]:
    characters = tuple(draw(st.lists(TOKENS, min_size=1, max_size=12)))
    bounds = sorted(draw(st.sets(st.integers(0, len(characters)), max_size=6)))
    spans = [Span(start, end, draw(LABELS)) for start, end in pairwise(bounds)]
    return characters, tuple(span for span in spans if draw(st.booleans()))


def as_rows(
    content: list[tuple[tuple[str, ...], tuple[Span, ...]]], *, scheme: TagScheme, separator: str, end: str
) -> str:
    """Rows with a blank line between sentences but not after the last sentence."""
    blocks = []
    for characters, spans in content:
        tags = spans_to_tags(spans, n_characters=len(characters), scheme=scheme)
        rows = zip(characters, tags, strict=True)
        blocks.append("".join(f"{character}{separator}{tag}{end}" for character, tag in rows))
    return end.join(blocks)


@pytest.mark.parametrize("separator", [" ", "\t"], ids=["space", "tab"])
@pytest.mark.parametrize("scheme", ["BIO", "BMES", "BIOES"])
@settings(max_examples=60, deadline=None)
@given(
    content=st.lists(sentences(), min_size=1, max_size=5),
    crlf=st.booleans(),
    packed=st.booleans(),
    bom=st.booleans(),
    has_extension=st.booleans(),
    ends_with_blank_line=st.booleans(),
)
def test_written_files_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    scheme: TagScheme,
    separator: str,
    content: list[tuple[tuple[str, ...], tuple[Span, ...]]],
    crlf: bool,
    packed: bool,
    bom: bool,
    has_extension: bool,
    ends_with_blank_line: bool,
) -> None:
    end = "\r\n" if crlf else "\n"
    text = as_rows(content, scheme=scheme, separator=separator, end=end)
    # a single sentence without a blank line could also be a file without blank lines
    if ends_with_blank_line or len(content) == 1:
        text += end
    data = (("\ufeff" if bom else "") + text).encode()
    # a file that begins with U+FEFF as a character cannot be distinguished from one with a byte order mark
    if not bom and text.startswith("\ufeff"):
        data = "\ufeff".encode() + data
    path = tmp_path_factory.mktemp("round") / (("raw.bmes" if has_extension else "raw") + (".gz" if packed else ""))
    path.write_bytes(gzip.compress(data) if packed else data)

    read, report = read_sentences(path)
    read_back = list(read)

    assert all(len(character) == 1 for sentence in read_back for character in sentence.characters)
    assert [(without_blanks(s.text), entity_texts(s.characters, s.entities)) for s in read_back] == [
        (without_blanks("".join(characters)), entity_texts(characters, spans)) for characters, spans in content
    ]
    n_long_tokens = sum(len(token) > 1 for characters, _ in content for token in characters)
    assert report.repairs.get("token-of-several-characters", 0) == n_long_tokens
    assert report.repairs.keys() <= {"token-of-several-characters", "blank-between-words", "words-without-blank"}
    if not n_long_tokens:
        assert [(s.characters, s.entities) for s in read_back] == content
    assert report.n_characters == sum(len(sentence.characters) for sentence in read_back)
    assert report.n_entities == sum(len(spans) for _, spans in content)
    assert report.scheme in {scheme, "BIO", "BMES"}


def without_blanks(text: str) -> str:
    """Remove blanks: a reader may insert one between words of several characters."""
    return text.replace(" ", "")


def entity_texts(characters: tuple[str, ...], spans: tuple[Span, ...]) -> list[tuple[str, str]]:
    return [(without_blanks("".join(characters[span.start : span.end])), span.label) for span in spans]


def read(path: Path) -> list[Sentence]:
    return list(read_sentences(path)[0])


@pytest.mark.parametrize("token", [" ", "\t", "\u3000", "\xa0"], ids=["space", "tab", "U+3000", "NBSP"])
@pytest.mark.parametrize("separator", [" ", "\t"], ids=["space", "tab"])
def test_blank_characters_are_tokens(write: Write, token: str, separator: str) -> None:
    path = write(f"中{separator}B-X\n{token}{separator}I-X\n国{separator}I-X\n\n")
    assert read(path) == [Sentence(("中", token, "国"), (Span(0, 3, "X"),), 1)]


def test_only_line_feeds_end_lines(write: Write) -> None:
    path = write("\x85\tO\n\u2028\tO\r\n\x0b\tO\n\n")
    assert read(path) == [Sentence(("\x85", "\u2028", "\x0b"), (), 1)]


def test_line_numbers_are_those_of_the_file(write: Write) -> None:
    path = write("\n\n甲 O\n乙 O\n \t\n\n丙 O")
    assert [(sentence.text, sentence.line) for sentence in read(path)] == [("甲乙", 3), ("丙", 7)]


def test_the_first_and_last_columns_are_used(write: Write) -> None:
    path = write("New York\tNNP\t(NP\tB-LOC\nis\tV\t-\tO\n\n")
    assert read(path) == [Sentence(tuple("New York is"), (Span(0, 8, "LOC"),), 1)]


def test_trailing_and_doubled_blanks_are_ignored(write: Write) -> None:
    assert read(write("甲  B-X  \n乙   O\t\n\n")) == [Sentence(("甲", "乙"), (Span(0, 1, "X"),), 1)]


def test_document_starts_are_skipped_and_separate_sentences(write: Write) -> None:
    sentences, report = read_sentences(write("-DOCSTART- -X- O O\n\n甲 O\n-DOCSTART- O\n乙 O\n\n"))
    assert [sentence.text for sentence in sentences] == ["甲", "乙"]
    assert report.skipped == {"docstart": 2}
    assert report.first_lines == {"docstart": [1, 4]}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (" O", "a tag 'O' without a token"),
        ("\tB-X", "a tag 'B-X' without a token"),
        ("字", "one column"),
        ("字 ", "one column"),
        ("\u3000", "one column"),
        (" 字 O", "the line starts with a separator"),
    ],
)
def test_incomplete_rows_are_refused_with_their_line(write: Write, row: str, message: str) -> None:
    path = write(f"甲 O\n\n{row}\n乙 O\n", "raw.bmes")
    with pytest.raises(InputDataError) as caught:
        read(path)
    assert f"{path}:3: {message}" in caught.value.message
    assert caught.value.next_step


ORIGINAL = "科0\tB-ORG.NAM\n技1\tI-ORG.NAM\n50\tO\n\ufffd\ufffd\tO\n\ufffd0\tO\n20\tO\n\n年0\tB-PER.NOM\n"


def test_positions_of_the_weibo_format_are_dropped(write: Write) -> None:
    # twenty plain rows, so that the destroyed emoji is an exception, as in the published file
    sentences, report = read_sentences(write(ORIGINAL + "好0\tO\n" * 20))
    first, second = sentences
    assert first == Sentence(("科", "技", "5", "\ufffd", "\ufffd", "2"), (Span(0, 2, "ORG.NAM"),), 1)
    assert second.text == "年" + "好" * 20
    assert report.repairs == {"destroyed-emoji": 1}
    assert report.first_lines == {"destroyed-emoji": [4]}
    assert any("position" in note for note in report.notes)


def test_positions_of_two_digits_are_dropped(write: Write) -> None:
    characters = "一二三四五六七八九十百千"
    path = write("".join(f"{character}{place} O\n" for place, character in enumerate(characters)) + "\n")
    assert read(path)[0].text == characters


def test_a_single_token_without_position_is_kept_and_counted(write: Write) -> None:
    sentences, report = read_sentences(write("年0\tO\n" * 40 + "A\tO\n\n"))
    assert next(sentences).characters[-1] == "A"
    assert list(sentences) == []
    assert report.repairs == {"token-without-position": 1}


def test_words_that_end_in_digits_are_kept(write: Write) -> None:
    sentences, report = read_sentences(write("A0\tO\nB1\tO\n会\tO\n议\tO\n\n"))
    assert next(sentences).text == "A0 B1会议"
    assert report.notes == []


def test_a_file_without_blank_lines_is_split_at_punctuation(write: Write) -> None:
    rows = ["他 O", "说 O", "。 O", "” O", "甲 B-ORG", "！ M-ORG", "乙 E-ORG", "？ O", "？ O", "完 O"]
    sentences, report = read_sentences(write("\n".join(rows) + "\n"))
    parts = list(sentences)
    assert [(sentence.text, sentence.line) for sentence in parts] == [("他说。”", 1), ("甲！乙？？", 5), ("完", 10)]
    assert parts[1].entities == (Span(0, 3, "ORG"),)
    assert any("no blank lines" in note for note in report.notes)


def test_one_sentence_before_a_blank_line_is_not_split(write: Write) -> None:
    sentences, report = read_sentences(write("甲 O\n。 O\n乙 O\n\n"))
    assert [sentence.text for sentence in sentences] == ["甲。乙"]
    assert report.notes == []


def test_very_many_rows_before_one_blank_line_are_split(write: Write) -> None:
    assert len(read(write("甲 O\n。 O\n" * 300 + "\n"))) == 300


def test_a_weibo_file_without_blank_lines_is_split(write: Write) -> None:
    assert [sentence.text for sentence in read(write("好0\tO\n。0\tO\n”0\tO\n是0\tO\n"))] == ["好。”", "是"]


COMMENTED = "# newdoc id = d1\n# sent_id = 0\n# text = #甲\n# O\n甲 B-X\n\n# text = 乙 O B-X\n#\tSYM\tO\n乙\t_\tO\n\n"


def test_comments_before_sentences_are_skipped_and_counted(write: Write) -> None:
    sentences, report = read_sentences(write(COMMENTED))
    assert [(sentence.text, sentence.line) for sentence in sentences] == [("#甲", 4), ("#乙", 8)]
    assert report.skipped == {"comment": 4}
    assert report.first_lines == {"comment": [1, 2, 3, 7]}


@pytest.mark.parametrize("row", ["# O", "# B-X", "#\tO", "# SYM O", "# 0", "# B_X"])
def test_a_sentence_may_begin_with_a_number_sign(write: Write, row: str) -> None:
    sentences = read(write(f"{row}\n甲 O\n\n{row}\n\n"))
    assert [sentence.text for sentence in sentences] == ["#甲", "#"]


def test_a_comment_inside_a_sentence_is_refused(write: Write) -> None:
    path = write("甲 O\n# note\n乙 O\n\n")
    with pytest.raises(InputDataError, match=r"raw\.txt:2: 'note' is not a tag"):
        read(path)


def test_bilou_without_blank_lines_is_split_outside_entities(write: Write) -> None:
    assert [s.text for s in read(write("甲 B-X\n。 I-X\n乙 L-X\n。 O\n丙 U-X\n"))] == ["甲。乙。", "丙"]


def test_a_column_of_token_numbers_is_not_the_text(write: Write) -> None:
    text = "# sent_id = 1\n1\t李\t_\tB-PER\n2\t明\t_\tI-PER\n3\tGPT4\t_\tO\n\n1\t好\t_\tO\n\n"
    sentences, report = read_sentences(write(text))
    assert [(sentence.text, sentence.entities) for sentence in sentences] == [
        ("李明GPT4", (Span(0, 2, "PER"),)),
        ("好", ()),
    ]
    assert any("tokens are read from the second" in note for note in report.notes)


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ("1 O\n2 O\n\n", "12"),  # two columns: the numbers are the text
        ("1 CD O\n2 CD O\n1 CD O\n\n", "121"),
        ("1 CD O\n\n", "1"),
        ("1 CD O\n年 NN O\n\n", "1年"),
    ],
)
def test_other_columns_of_numbers_are_text(write: Write, rows: str, text: str) -> None:
    assert [sentence.text for sentence in read(write(rows))] == [text]


@pytest.mark.parametrize("row", ["在 O\r京 B-LOC", "在 O\r\r", "在\r O", "在\tO\r京\tB-LOC"])
@pytest.mark.parametrize("known", ["", "在 O\n京 B-LOC\n" * 3 + "\n"], ids=["first", "after-known-rows"])
def test_rows_that_a_carriage_return_joins_are_refused(write: Write, row: str, known: str) -> None:
    path = write(f"{known}王 B-PER\n{row}\n\n明 B-PER\n\n", "train.bio")
    line = known.count("\n") + 2
    with pytest.raises(InputDataError, match=rf"train\.bio:{line}: a carriage return \(CR\) inside the line") as caught:
        list(read_sentences(path)[0])
    assert caught.value.next_step == "end every line in the same way, with LF or CRLF"


def test_a_carriage_return_may_be_a_token_or_end_the_last_row(write: Write) -> None:
    path = write("王 B-PER\n\r O\n\n明 B-PER\r", "train.bio")
    assert [sentence.text for sentence in read_sentences(path)[0]] == ["王\r", "明"]

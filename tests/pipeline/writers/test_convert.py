"""Files are converted from one format to another and back."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssmi import convert
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError, ParameterError
from ssmi.pipeline.contract.labels import Span, TagScheme
from ssmi.pipeline.readers import Sentence, read_sentences
from ssmi.pipeline.readers.options import ReadOptions
from ssmi.pipeline.writers import FORMATS

ENDINGS = {"conll": ".txt", "bracket": ".txt", "csv": ".csv", "jsonl": ".jsonl", "doccano": ".jsonl"}
READ_AS = {"conll": "columns", "doccano": "jsonl"}

LINES = '{"text": "李明在😀京", "entities": [[0, 2, "PER"], [4, 5, "LOC"]]}\n{"text": "好", "entities": []}\n'
EXPECTED = {
    "jsonl": '{"text": "李明在😀京", "entities": [{"start": 0, "end": 2, "label": "PER", "text": "李明"}, '
    '{"start": 4, "end": 5, "label": "LOC", "text": "京"}]}\n{"text": "好", "entities": []}\n',
    "doccano": '{"text": "李明在😀京", "label": [[0, 2, "PER"], [4, 5, "LOC"]]}\n{"text": "好", "label": []}\n',
    "conll": "李\tB-PER\n明\tI-PER\n在\tO\n😀\tO\n京\tB-LOC\n\n好\tO\n\n",
    "bracket": "[李明|PER]在😀[京|LOC]\n好\n",
    "label-studio": '[\n{"data": {"text": "李明在😀京"}, "annotations": [{"result": ['
    '{"id": "0-2", "from_name": "label", "to_name": "text", "type": "labels", '
    '"value": {"start": 0, "end": 2, "text": "李明", "labels": ["PER"]}}, '
    '{"id": "4-5", "from_name": "label", "to_name": "text", "type": "labels", '
    '"value": {"start": 4, "end": 5, "text": "京", "labels": ["LOC"]}}]}]},\n'
    '{"data": {"text": "好"}, "annotations": [{"result": []}]}\n]\n',
    "cluener": '{"text": "李明在😀京", "label": {"PER": {"李明": [[0, 1]]}, "LOC": {"京": [[4, 4]]}}}\n'
    '{"text": "好", "label": {}}\n',
    "w2ner": '[\n{"sentence": ["李", "明", "在", "😀", "京"], "ner": [{"index": [0, 1], "type": "PER"}, '
    '{"index": [4], "type": "LOC"}]},\n{"sentence": ["好"], "ner": []}\n]\n',
    "csv": "sentence_id,token,tag\n1,李,B-PER\n1,明,I-PER\n1,在,O\n1,😀,O\n1,京,B-LOC\n2,好,O\n",
}


def target_path(folder: Path, to: str) -> Path:
    return folder / f"out{ENDINGS.get(to, '.json')}"


@pytest.mark.parametrize("to", FORMATS)
def test_each_format_is_written_as_expected(tmp_path: Path, to: str) -> None:
    source, target = tmp_path / "in.jsonl", target_path(tmp_path, to)
    source.write_text(LINES, encoding="utf-8")
    report = convert(source, target, to=to)
    assert target.read_text(encoding="utf-8") == EXPECTED[to]
    assert (report.n_sentences, report.n_entities) == (2, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted((source.name, target.name))


# A file of mostly NUL bytes is taken for UTF-16 without a byte order mark, and refused.
ANY = st.characters(exclude_categories=("Cs",), exclude_characters="\0")
MARKS = ANY | st.sampled_from(" \t\u3000[]|\\/#\"',;{}😀\ufeff0O")
TEXTS = st.text(MARKS, min_size=1, max_size=12)


@st.composite
def sentences(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> list[Sentence]:
    """Texts with entities that may be adjacent, of types that may hold dashes, slashes, commas or quotes."""
    drawn = []
    for text in draw(st.lists(texts, min_size=1, max_size=4)):
        bounds = sorted(draw(st.sets(st.integers(0, len(text)), max_size=6)))
        kept = [
            Span(*pair, draw(st.sampled_from(["X", "地名", 'a-b/c,"d"'])))
            for pair in pairwise(bounds)
            if draw(st.booleans())
        ]
        drawn.append(Sentence(tuple(text), tuple(kept), 1))
    return drawn


def same(read: list[Sentence], expected: list[Sentence]) -> bool:
    return [(s.characters, s.entities) for s in read] == [(s.characters, s.entities) for s in expected]


def round_trip(folder: Path, rows: list[Sentence], *, to: str, scheme: TagScheme) -> None:
    source, target, back = folder / "in.jsonl", target_path(folder, to), folder / "back.jsonl"
    source.write_text(
        "".join(
            json.dumps({"text": row.text, "entities": [[e.start, e.end, e.label] for e in row.entities]}) + "\n"
            for row in rows
        )
    )
    convert(source, target, to=to, scheme=scheme, offsets="code-points")
    # without an entity, a file in bracket notation cannot be recognised
    input_format = "bracket" if to == "bracket" else None
    read, report = read_sentences(target, options=ReadOptions(format=input_format))
    assert same(list(read), rows)
    assert report.format == READ_AS.get(to, to)
    assert report.skipped == {}
    convert(target, back, to="jsonl", input_format=input_format)
    assert same(list(read_sentences(back)[0]), rows)


@pytest.mark.parametrize("to", [name for name in FORMATS if name != "conll"])
@settings(max_examples=60, deadline=None)
@given(rows=sentences(TEXTS), scheme=st.sampled_from(["BIO", "BMES", "BIOES"]))
def test_written_files_read_back(
    tmp_path_factory: pytest.TempPathFactory, to: str, rows: list[Sentence], scheme: TagScheme
) -> None:
    round_trip(tmp_path_factory.mktemp("trip"), rows, to=to, scheme=scheme)


@settings(max_examples=100, deadline=None)
@given(
    rows=sentences(TEXTS.filter(lambda text: not set("\n\r") & set(text))),
    scheme=st.sampled_from(["BIO", "BMES", "BIOES"]),
)
def test_written_columns_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Sentence], scheme: TagScheme
) -> None:
    round_trip(tmp_path_factory.mktemp("trip"), rows, to="conll", scheme=scheme)


@pytest.mark.parametrize("mark", ["\n", "\r"])
def test_a_line_end_in_a_text_is_refused_for_columns(tmp_path: Path, mark: str) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.txt"
    source.write_text(json.dumps({"text": "好", "spans": []}) + "\n" + json.dumps({"text": f"甲{mark}乙", "spans": []}))
    with pytest.raises(InputDataError, match=r"in\.jsonl:2: character 2 of the text is a line end"):
        convert(source, target, to="conll")
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


@pytest.mark.parametrize("label", ["A B", "A\u3000B", "A\u200bB", "A|B-C"])
def test_a_type_that_cannot_be_part_of_a_tag_is_refused_with_its_line(tmp_path: Path, label: str) -> None:
    source = tmp_path / "in.jsonl"
    rows = [{"text": "好", "spans": []}, {"text": "李明", "spans": [[0, 2, label]]}]
    source.write_text("\n".join(map(json.dumps, rows)))
    for to in FORMATS:
        target = target_path(tmp_path / "out", to)
        target.parent.mkdir(exist_ok=True)
        if to in ("conll", "csv"):
            with pytest.raises(InputDataError, match=r"in\.jsonl:2: entity type .* cannot stand in a tag") as caught:
                convert(source, target, to=to)
            assert "--tag-map" in caught.value.next_step
            assert not target.exists()
        else:
            convert(source, target, to=to)
            options = ReadOptions(format=to) if to == "bracket" else ReadOptions()
            assert [one.entities for one in read_sentences(target, options=options)[0]] == [(), (Span(0, 2, label),)]


def test_skipped_entities_are_reported(tmp_path: Path) -> None:
    source = tmp_path / "in.json"
    rows = [{"sentence": list("甲乙丙"), "ner": [{"index": [0, 2], "type": "X"}, {"index": [1], "type": "Y"}]}]
    source.write_text(json.dumps(rows), encoding="utf-8")
    report = convert(source, tmp_path / "out.jsonl", to="jsonl")
    assert (report.format, report.n_entities, report.skipped) == ("w2ner", 1, {"discontinuous-entity": 1})


def test_invalid_arguments_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(LINES, encoding="utf-8")
    with pytest.raises(ParameterError, match="did you mean 'cluener'"):
        convert(source, tmp_path / "out", to="clueners")
    with pytest.raises(ParameterError, match=r"scheme='BIOSE' is not one of .*BIOES.* did you mean 'BIOES'"):
        convert(source, tmp_path / "out", to="conll", scheme="BIOSE")
    with pytest.raises(ParameterError, match="is not one of 'BIO', 'BMES', 'BIOES'"):
        convert(source, tmp_path / "out", to="jsonl", scheme="XX")
    with pytest.raises(MissingResourceError, match="no folder"):
        convert(source, tmp_path / "none" / "out", to="jsonl")
    with pytest.raises(MissingResourceError, match="no such file"):
        convert(tmp_path / "none.jsonl", tmp_path / "out", to="jsonl")
    for target, message in ((source, "is also the source file"), (tmp_path, "a folder")):
        with pytest.raises(InputDataError, match=message):
            convert(source, target, to="jsonl")
    assert source.read_text(encoding="utf-8") == LINES


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "utf-16-le"])
def test_every_format_is_read_in_every_encoding(tmp_path: Path, to: str, encoding: str) -> None:
    source, target = tmp_path / "in.jsonl", target_path(tmp_path, to)
    source.write_text(LINES, encoding="utf-8")
    convert(source, target, to=to)
    expected = list(read_sentences(target)[0])
    target.write_bytes(EXPECTED[to].encode(encoding))  # "utf-16" writes a byte order mark, which is enough
    options = ReadOptions() if encoding == "utf-16" else ReadOptions(encoding=encoding)
    read, report = read_sentences(target, options=options)
    assert list(read) == expected
    assert report.format == READ_AS.get(to, to)

"""The user's own entities: read from a file, found in a text, and merged with those of a tagger."""

from __future__ import annotations

import bz2
import pickle
from pathlib import Path
from typing import Any

import pytest

import ssmi
from ssmi.model.text_tagging import TaggedSpan
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError, ParameterError
from ssmi.pipeline.contract.labels import Span
from ssmi.predict.user_entities import Match, UserEntities, merge_entities

SENTENCE = "吴重阳先生毕业于北京大学，任公司董事长。"


def read_from(path: Path, text: str) -> UserEntities:
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return UserEntities.read(path)


def test_entities_are_read_from_a_file(tmp_path: Path) -> None:
    listed = read_from(
        tmp_path / "own.tsv",
        "\ufeff# 词\t类\r\n云计算平台\tPRO\r\n\r\nApple  Inc\tORG\tforce\r\n南北 高架\tLOC\tadd\n"
        "长江 大桥 LOC\nNew York City LOC force\n #1店\tORG\n",
    )
    assert [(entity.word, entity.label, entity.mode) for entity in listed.entities] == [
        ("云计算平台", "PRO", "add"),
        ("Apple Inc", "ORG", "force"),
        ("南北高架", "LOC", "add"),
        ("长江大桥", "LOC", "add"),
        ("New York City", "LOC", "force"),
        ("#1店", "ORG", "add"),
    ]
    assert listed.entities[1].where.endswith("own.tsv:4") and listed.notes == ()
    assert listed.labels == ("PRO", "ORG", "LOC")
    entity = listed.get("南\u3000北高架")
    assert entity is not None and entity.label == "LOC" and listed.get("高架") is None
    assert pickle.loads(pickle.dumps(listed)) == listed  # noqa: S301 - of our own making
    assert UserEntities.read({"云 计算": "PRO", "b": ("ORG", "force")}).entities[0].word == "云计算"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("云计算", "own.tsv:2: no word, or no label"),
        ("\tORG", "own.tsv:2: no word"),
        ("\u3000\u200b\tORG", "own.tsv:2: no word"),
        ("云计算\t", "own.tsv:2: no word, or no label"),
        ("云计算\tA B", "own.tsv:2: the label 'A B'"),
        ("云计算\tORG\tforced", "own.tsv:2: unknown mode 'forced': did you mean 'force'"),
        ("云计算\tORG\tadd\t7", "own.tsv:2: 4 columns"),
        ("南 北\tORG", r"own.tsv:2: '南北' is ORG \(add\), but LOC \(add\) at .*own.tsv:1"),
        ("南北\tLOC\tforce", r"own.tsv:2: '南北' is LOC \(force\)"),
        ("\ud800\tLOC", "own.tsv:2: not UTF-8"),
    ],
)
def test_an_invalid_line_is_reported(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(InputDataError, match=message):
        read_from(tmp_path / "own.tsv", f"南北\tLOC\n{line}\n")


@pytest.mark.parametrize("entities", [{"甲": None}, {1: "PER"}, {"甲": ("PER",)}, {"甲": ["PER", "add"]}])
def test_an_invalid_mapping_is_refused(entities: Any) -> None:
    with pytest.raises(ParameterError, match=r"entities\[.*neither a label nor a label and a mode"):
        UserEntities.read(entities)


def test_files_not_in_utf8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "own.tsv").write_bytes("云计算\tPRO\n".encode("gb18030"))
    with pytest.raises(InputDataError) as raised:
        UserEntities.read(tmp_path / "own.tsv")
    assert raised.value.next_step == "save it as UTF-8"


@pytest.mark.parametrize(
    ("data", "what", "step"),
    [
        (bz2.compress("云计算\tPRO\n".encode()), "packed with bzip2", "unpack it first"),
        (b"PK\x03\x04", "a zip archive", "unpack it first"),
        (b"PAR1\x15", "a Parquet file", "write a word, a tab and its label on each line"),
    ],
    ids=["bzip2", "zip", "parquet"],
)
def test_files_that_are_not_text_are_refused(tmp_path: Path, data: bytes, what: str, step: str) -> None:
    (tmp_path / "own.tsv").write_bytes(data)
    with pytest.raises(InputDataError, match=what) as raised:
        UserEntities.read(tmp_path / "own.tsv")
    assert raised.value.next_step == step


def test_comments_can_be_indented(tmp_path: Path) -> None:
    (tmp_path / "own.tsv").write_text("  # d x\n云\tPRO\n", encoding="utf-8")
    assert UserEntities.read(tmp_path / "own.tsv").labels == ("PRO",)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingResourceError, match="no such file"):
        UserEntities.read(tmp_path / "none.tsv")


def test_problems_of_the_entities_are_noted(tmp_path: Path) -> None:
    listed = read_from(tmp_path / "own.tsv", f"南北\tLOC\n{'长' * 11}\tLOC\n南 北\tLOC\n云\tPRO\n计\tPRO\n")
    notes = [note.rpartition("own.tsv:")[2] for note in listed.notes_for(["LOC"], longest=10)]
    assert notes == [
        "1 already",
        "2: a word of 11 characters never matches; 10 are read at once",
        "4: PRO is not a type of the run, so its entities have the score 0",
    ]
    assert "own.tsv:3: '南北' stands at" in listed.notes[0]
    (note,) = read_from(tmp_path / "empty.tsv", "# nothing\n").notes
    assert note.endswith("empty.tsv: names no entity")


def test_matches_do_not_split_words_or_numbers() -> None:
    listed = UserEntities.read({"Apple": "A", "App": "A", "5": "N", "北京": "L", "北京大学": "O"})
    positions = [(match.span.start, match.span.end) for match in listed.matches("Apple Apples 在北京大学 5 3.5\ud800")]
    assert positions == [(0, 5), (14, 16), (14, 18), (19, 20)]


def merge_as_text(tagged: str, listed: list[tuple[int, int, str]], min_score: float = 0.0) -> str:
    """Merge the spans in ``tagged`` (a run of a letter is a span of score 0.5) with those of the file, shown as x."""
    runs = [(0, 0, "")]
    for index, letter in enumerate(tagged):
        runs = (
            [*runs[:-1], (runs[-1][0], index + 1, letter)]
            if letter == runs[-1][2]
            else [*runs, (index, index + 1, letter)]
        )
    spans = [TaggedSpan(Span(*run), 0.5) for run in runs if run[2] not in ("", ".")]
    listed_spans = [TaggedSpan(Span(start, end, "x"), 0.25, extra=True) for start, end, _ in listed]
    matches = [Match(Span(start, end, "x"), "force" if mode == "f" else "add") for start, end, mode in listed]
    output = ["."] * len(tagged)
    for entity in merge_entities([*spans, *listed_spans], matches, n_characters=len(tagged), min_score=min_score):
        assert (entity.source, entity.score) == (("file", 0.25) if entity.span.label == "x" else ("model", 0.5))
        output[entity.span.start : entity.span.end] = entity.span.label * (entity.span.end - entity.span.start)
    return "".join(output)


@pytest.mark.parametrize(
    ("tagged", "listed", "result"),
    [
        ("AA..BB", [(2, 4, "a")], "AAxxBB"),
        ("AA..BB", [(1, 3, "a"), (3, 5, "a")], "AA..BB"),
        ("AA..BB", [(1, 3, "f")], ".xx.BB"),
        ("AA..BB", [(0, 2, "f")], "xx..BB"),
        # the longest first, then the leftmost; forced entities before added ones
        ("......", [(0, 2, "a"), (1, 4, "a"), (4, 5, "a")], ".xxxx."),
        ("......", [(0, 2, "a"), (1, 3, "a")], "xx...."),
        ("......", [(0, 4, "a"), (3, 5, "f")], "...xx."),
        ("AA....", [(1, 4, "f"), (0, 2, "f")], ".xxx.."),
    ],
)
def test_precedence_of_overlapping_entities(tagged: str, listed: list[tuple[int, int, str]], result: str) -> None:
    assert merge_as_text(tagged, listed) == result


def test_entities_below_min_score_do_not_block_others() -> None:
    assert merge_as_text("AA..", [(1, 3, "a")], min_score=0.5) == "AA.."
    assert merge_as_text("AA..", [(1, 3, "a")], min_score=0.51) == ".xx."


# --- with a tagger ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tagging_project: Any) -> Path:
    folder: Path = tagging_project.root / "artifacts" / "train" / "tiny"
    return folder


@pytest.fixture(scope="module")
def tagger(run: Path) -> ssmi.Tagger:
    return ssmi.open_run(run, device="cpu", threads=1)


def test_user_entities_are_found_and_marked(tagger: ssmi.Tagger, run: Path) -> None:
    plain = tagger(SENTENCE)
    assert plain and all(entity.source == "model" for entity in plain)
    known, first = plain[0], SENTENCE[plain[0].end]
    word = SENTENCE[known.end : known.end + 2]
    with_entities = ssmi.open_run(
        run, device="cpu", threads=1, entities={word: ("EVENT", "force"), known.text: (known.label, "force")}
    )
    spaced = f"{SENTENCE[: known.end]} {first}\u3000\u200b{SENTENCE[known.end + 1 :]}"
    entities = {(entity.text, entity.label): entity for entity in with_entities(spaced)}
    event = entities[f"{first}\u3000\u200b{word[1]}", "EVENT"]
    assert (event.source, event.score, event.start) == ("file", 0.0, known.end + 1)
    forced = entities[known.text, known.label]  # its score is the run's for this entity
    assert forced.source == "file" and forced.score == pytest.approx(known.score, abs=1e-6)
    assert with_entities(word) == [ssmi.Entity(0, 2, "EVENT", word, 0.0, "file")]
    assert with_entities([]) == [] and with_entities(["", "\u3000"]) == [[], []]


def test_min_score_filters_entities(tagger: ssmi.Tagger) -> None:
    texts = [SENTENCE, "公司董事长吴重阳", "熊猫在南京市长江大桥"]
    unfiltered = tagger(texts)
    scores = sorted(entity.score for entities in unfiltered for entity in entities)
    assert len(set(scores)) > 2
    for threshold in (0.0, scores[1], 1.0):
        kept = [[entity for entity in entities if entity.score >= threshold] for entities in unfiltered]
        assert tagger(texts, min_score=threshold) == kept
        assert list(tagger.stream(texts, min_score=threshold)) == kept
    assert tagger(SENTENCE, min_score=1.0) == [entity for entity in unfiltered[0] if entity.score >= 1.0]
    for value in (-0.1, 1.1, float("nan")):
        with pytest.raises(ParameterError, match=f"min_score={value}"):
            tagger(SENTENCE, min_score=value)

"""Copies of a text with spaces, indents and line breaks have the same entities and scores, at the copy's positions."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import unicodedata
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ssmi
from ssmi.model.split_tagging import tag_split
from ssmi.pipeline.assets.resolve import find_dataset
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.progress import Silent
from ssmi.pipeline.features.text.blanks import visible_stretches
from ssmi.pipeline.readers import read_sentences

REPOSITORY = Path(__file__).parents[3]
BLANKS = st.sampled_from(
    [" ", "\u3000\u3000", "\u00a0", "\n", "\r\n\u3000\u3000", "\t", "\u200b", "\ufeff", " \u200b "]
)
SENTENCES = (
    "吴重阳先生毕业于北京大学，任公司董事长。",
    "公司董事长吴重阳，男，汉族，中国国籍。",
    "他任Apple Inc. 首席执行官CEO，2005年3.5万。",
)


@pytest.fixture(scope="module")
def run(tagging_project: Any) -> Path:
    folder: Path = tagging_project.root / "artifacts" / "train" / "tiny"
    return folder


@pytest.fixture(scope="module")
def tagger(run: Path) -> ssmi.Tagger:
    return ssmi.open_run(run, device="cpu", threads=1)


def visible_words(entities: list[ssmi.Entity]) -> list[tuple[str, str, float]]:
    return [
        ("".join(stretch.text for stretch in visible_stretches(entity.text)), entity.label, entity.score)
        for entity in entities
    ]


def assert_in_place(text: str, entities: list[ssmi.Entity]) -> None:
    for entity in entities:
        assert text[entity.start : entity.end] == entity.text
        # neither edge is a blank or a mark
        assert visible_stretches(entity.text[0]) and visible_stretches(entity.text[-1])
    assert all(left.end <= right.start for left, right in pairwise(entities))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(text=st.sampled_from(SENTENCES), data=st.data())
def test_blanks_beside_chinese_do_not_change_the_entities(tagger: ssmi.Tagger, text: str, data: st.DataObject) -> None:
    def blanks(index: int) -> str:
        """Draw blanks, or none; none between two Latin characters, which would split a word."""
        return "" if text[max(0, index - 1) : index + 1].isascii() and index else data.draw(st.just("") | BLANKS)

    copy = "".join(blanks(index) + character for index, character in enumerate(text)) + data.draw(st.just("") | BLANKS)
    entities = tagger(copy)
    assert_in_place(copy, entities)
    assert visible_words(entities) == visible_words(tagger(text))


def test_runs_of_blanks_between_latin_words_count_as_one(tagger: ssmi.Tagger) -> None:
    texts = [
        "他任Apple Inc. 董事长",
        "他任Apple\u00a0\u3000Inc. \n董事长",
        "\t他任Ap\u00adple\r\nInc.\u200b \u200b董事长",
    ]
    first, *others = (visible_words(tagger(text)) for text in texts)
    assert first and others == [first, first]


def test_a_blank_line_separates_paragraphs(tagger: ssmi.Tagger) -> None:
    first, second = SENTENCES[:2]
    text = f"　　{first}\n \n　　{second}\n\n"
    entities = tagger(text)
    assert_in_place(text, entities)
    expected = [entity for part in (first, second) for entity in visible_words(tagger(part))]
    assert [(word, label) for word, label, _ in visible_words(entities)] == [
        (word, label) for word, label, _ in expected
    ]
    assert not any("\n" in entity.text for entity in tagger("吴重\n\n阳先生毕业于北京\u2029大学"))


def test_blank_texts_have_no_entities(tagger: ssmi.Tagger) -> None:
    assert tagger(["", " \n\u3000", "\u200b"]) == [[], [], []]
    progress: list[int] = []
    texts = [" " * 50, f"\u3000{SENTENCES[0]}\n", "", SENTENCES[1]]
    assert len(list(tagger.stream(texts, batch_characters=40, advance=progress.append))) == 4
    assert sum(progress) == sum(map(len, texts))


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_prediction_gives_the_entities_counted_by_evaluation(
    tagger: ssmi.Tagger, run: Path, tagging_project: Any, split: str
) -> None:
    """Compares the raw texts, some of which contain blanks."""
    raw = tagging_project.root / "data" / "tiny" / f"{split}.bmes"
    assert_same_entities(tagger, run, tagging_project.root / "artifacts" / "shards" / "tiny", split, raw)


def assert_same_entities(tagger: ssmi.Tagger, run: Path, shards: Path, split: str, raw: Path) -> None:
    tagged = tag_split(run=run, shards=shards, split=split, device="cpu", reporter=Silent())
    counted = tagged.predicted.spans
    parts = tables.list_parts(shards, split)
    rows = [
        row["characters"] for part in parts for row in tables.read_rows(part, schema.SHARDS, columns=["characters"])
    ]
    texts = [sentence.text for sentence in read_sentences(raw)[0]]
    entities = tagger(texts)
    n_compared = 0
    for text, characters, text_entities, spans in zip(texts, rows, entities, counted, strict=True):
        assert_in_place(text, text_entities)
        if (
            "".join(characters) == "".join(stretch.text for stretch in visible_stretches(text))
            and max(map(len, characters)) == 1
        ):
            expected = [("".join(characters[span.start : span.end]), span.label) for span in spans]
            assert [(word, label) for word, label, _ in visible_words(text_entities)] == expected
            n_compared += len(expected)
    assert n_compared > 0.9 * sum(map(len, counted)) > 5


@pytest.mark.heavy
@pytest.mark.assets
@pytest.mark.timeout(3600)
@pytest.mark.skipif("SSMI_DATA" not in os.environ, reason="SSMI_DATA names no folder of data sets")
@pytest.mark.parametrize("dataset", ["resume", "weibo", "msra"])
def test_prediction_agrees_with_evaluation_on_real_data(tmp_path: Path, dataset: str) -> None:
    """Copies of the texts with inserted blanks give the same entities."""
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    small = ("-S", "train.max_steps=150", "-S", "model.encoder_layers=2", "-S", "train.test=false")
    for command in (("features", "build"), ("train", *small)):
        arguments = [sys.executable, "-m", "ssmi.cli.main", "--project", str(tmp_path), *command, "--dataset", dataset]
        subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
    run = tmp_path / "artifacts" / "train" / dataset
    tagger = ssmi.open_run(run, threads=1)
    raw = find_dataset(dataset, root=tmp_path, reporter=Silent()).splits["test"]
    assert_same_entities(tagger, run, tmp_path / "artifacts" / "shards" / dataset, "test", raw)
    texts = [sentence.text for sentence in read_sentences(raw)[0]]
    copies = [spaced(text, seed=number) for number, text in enumerate(texts)]
    for text, copy, entities, copy_entities in zip(texts, copies, tagger(texts), tagger(copies), strict=True):
        assert_in_place(copy, copy_entities)
        assert visible_words(copy_entities) == visible_words(entities), text


def keeps_blanks(character: str) -> bool:
    chinese = unicodedata.name(character, "").startswith(("CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA"))
    return character.isascii() or (character.isalnum() and not chinese)


def spaced(text: str, *, seed: int) -> str:
    """Return an indented copy with blanks, line ends and marks at a third of the places outside Latin words."""
    draw = random.Random(seed)
    pieces = ["\u3000\u3000"]
    for before, character in zip(" " + text, text, strict=False):
        if not (keeps_blanks(before) and keeps_blanks(character)) and draw.random() < 1 / 3:
            pieces.append(draw.choice([" ", "\u3000", "\u00a0", "\n", "\u200b", "\n\u3000\u3000"]))
        pieces.append(character)
    return "".join(pieces)

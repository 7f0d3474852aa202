"""The figures of the published data sets, and Weibo's original format reconstructed from them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ssmi.pipeline.contract.labels import spans_to_tags
from ssmi.pipeline.readers import read_sentences

FIGURES = {
    "resume/train.bmes": (3821, 124099, 13440),
    "resume/dev.bmes": (463, 13890, 1497),
    "resume/test.bmes": (477, 15100, 1630),
    "weibo/train.bmes": (1350, 73778, 1895),
    "weibo/dev.bmes": (270, 14509, 389),
    "weibo/test.bmes": (270, 14842, 418),
    "msra/train.bmes.gz": (46364, 2169879, 74703),
    "msra/test.bmes": (4365, 172601, 6181),
}


@pytest.mark.parametrize("name", FIGURES)
def test_counts_of_the_published_files(published: Path, name: str) -> None:
    sentences, report = read_sentences(published / name)
    n_sentences = n_characters = n_entities = 0
    for sentence in sentences:
        n_sentences += 1
        n_characters += len(sentence.characters)
        n_entities += len(sentence.entities)
    assert (n_sentences, n_characters, n_entities) == FIGURES[name]
    assert (report.n_sentences, report.n_characters, report.n_entities) == FIGURES[name]
    assert report.scheme == "BMES"
    # SOURCE.md: "M-ORG>O x2, O>M-ORG x2" in Resume train, no faults elsewhere
    repairs = {"unclosed-entity": 2, "orphan-continuation": 2} if name == "resume/train.bmes" else {}
    assert report.repairs == repairs
    assert report.skipped == {}
    assert report.notes == []


@pytest.mark.parametrize("split", ["train", "dev", "test"])
@pytest.mark.parametrize("separator", ["\t", " "], ids=["tab", "space"])
def test_the_original_format_of_weibo_reads_the_same(
    published: Path, tmp_path: Path, split: str, separator: str
) -> None:
    """The format: character and position, BIO, LF, and a destroyed emoji as two U+FFFD without a position."""
    expected = list(read_sentences(published / "weibo" / f"{split}.bmes")[0])
    generator = random.Random(13)
    destroyed = 0
    with (tmp_path / "original").open("w", encoding="utf-8", newline="\n") as stream:
        for sentence in expected:
            tags = spans_to_tags(sentence.entities, n_characters=len(sentence.characters), scheme="BIO")
            position = 0
            for character, tag in zip(sentence.characters, tags, strict=True):
                position = position + 1 if position < 11 and generator.random() < 0.5 else 0
                token = "\ufffd\ufffd" if character == "\ufffd" else f"{character}{position}"
                destroyed += character == "\ufffd"
                stream.write(f"{token}{separator}{tag}\n")
            stream.write("\n")

    sentences, report = read_sentences(tmp_path / "original")

    assert list(sentences) == expected
    assert report.scheme == "BIO"
    assert report.repairs == {"destroyed-emoji": destroyed}
    assert destroyed >= 32

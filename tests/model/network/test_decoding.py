"""Tag sequences → entities: the same whole words for scoring and for tagging."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssmi.model.data.shards import open_shards, read_split
from ssmi.model.data.split import RequiredFeatures
from ssmi.model.network.decoding import entities_of
from ssmi.pipeline.contract.labels import LabelSet, TagScheme, strict_spans
from ssmi.pipeline.contract.text.words import edges


@pytest.mark.parametrize(
    ("scheme", "path", "tags"),
    [
        ("BMES", "O B-LOC E-LOC O O O O", "O B-LOC M-LOC M-LOC M-LOC E-LOC O"),
        ("BIOES", "O B-LOC E-LOC O O S-PER O", "O B-LOC I-LOC I-LOC I-LOC E-LOC O"),
        ("BIO", "O B-LOC O O B-PER I-PER I-PER", "O B-PER I-PER I-PER I-PER I-PER I-PER"),
        ("BMES", "S-PER B-LOC M-LOC M-LOC M-LOC E-LOC O", "S-PER B-LOC M-LOC M-LOC M-LOC E-LOC O"),
        ("BMES", "O M-LOC O O O O O", "O M-LOC O O O O O"),  # ill-formed: for scoring to count
    ],
)
def test_entities_hold_whole_words(scheme: TagScheme, path: str, tags: str) -> None:
    labels = LabelSet.of(["LOC", "PER"], scheme=scheme)
    kinds = edges("在Apple店")
    ids = [labels.tag_ids()[tag] for tag in path.split()]
    spans, ill_formed = entities_of(ids, kinds, labels=labels)
    assert spans == strict_spans(tags.split(), scheme=scheme)[0]
    assert ill_formed == strict_spans(path.split(), scheme=scheme)[1]


def test_a_split_knows_the_words_of_its_sentences(shards: Path) -> None:
    opened = open_shards(shards)
    split = read_split(opened, "train", boundaries=opened.boundaries, wanted=RequiredFeatures())
    assert split.kinds.shape == split.token_ids.shape and len(split) > 1
    assert [len(split.kinds_of(row)) for row in range(len(split))] == split.lengths.tolist()

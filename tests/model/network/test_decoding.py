"""From a head's output to entities: scoring and tagging extend entities to the same whole words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ssmi.configurations import find
from ssmi.model.data.shards import open_shards, read_split
from ssmi.model.data.split import RequiredFeatures
from ssmi.model.network.decoding import Decoded, decode, entities_of
from ssmi.pipeline.contract.labels import LabelSet, Span, TagScheme, strict_spans
from ssmi.pipeline.contract.text.words import edges

Make = Callable[..., Any]


@pytest.mark.parametrize(
    ("scheme", "path", "tags"),
    [
        ("BMES", "O B-LOC E-LOC O O O O", "O B-LOC M-LOC M-LOC M-LOC E-LOC O"),
        ("BIOES", "O B-LOC E-LOC O O S-PER O", "O B-LOC I-LOC I-LOC I-LOC E-LOC O"),
        ("BIO", "O B-LOC O O B-PER I-PER I-PER", "O B-PER I-PER I-PER I-PER I-PER I-PER"),
        ("BMES", "S-PER B-LOC M-LOC M-LOC M-LOC E-LOC O", "S-PER B-LOC M-LOC M-LOC M-LOC E-LOC O"),
        ("BMES", "O M-LOC O O O O O", "O M-LOC O O O O O"),  # ill-formed tags are kept for scoring to count
    ],
)
def test_entities_are_extended_to_whole_words(scheme: TagScheme, path: str, tags: str) -> None:
    labels = LabelSet.of(["LOC", "PER"], scheme=scheme)
    kinds = edges("在Apple店")
    ids = [labels.tag_ids()[tag] for tag in path.split()]
    spans, ill_formed = entities_of(ids, kinds, labels=labels)
    assert spans == strict_spans(tags.split(), scheme=scheme)[0]
    assert ill_formed == strict_spans(path.split(), scheme=scheme)[1]


def test_span_head_entities_and_probabilities_cover_whole_words(
    shards: Path, make_network: Make, make_params: Make, make_batch: Make
) -> None:
    """The first sentence decodes to one span, which cuts a word once ``kinds`` join two of the characters."""
    opened = open_shards(shards)
    network, batch = make_network(opened, find("span").apply(make_params())), make_batch(opened)
    scores = torch.zeros_like(network.span_scores(batch))
    scores[..., 0] = 5.0
    scores[0, 1, 1], scores[0, 1, 2] = torch.tensor([0.0, 9.0, 0.0]), torch.tensor([1.0, 1.0, 1.0])
    network.span_scores = lambda _: scores
    lengths = batch.mask.sum(1).tolist()
    no_words = [bytes(length) for length in lengths]

    def decoded(kinds: list[bytes], extra: list[Span]) -> Decoded:
        extra_spans = [extra, *[()] * (len(lengths) - 1)]
        settings = {"precision": "fp32", "probabilities": True, "extra_spans": extra_spans}
        return decode(network, batch, labels=opened.labels, kinds=kinds, **settings)

    plain = decoded(no_words, [Span(1, 4, "PER"), Span(0, 6, "LOC")])
    label = opened.labels.entity_types[0]
    assert plain.spans == [[Span(1, 3, label)], *[[]] * (len(lengths) - 1)]
    assert (plain.ill_formed, plain.n_characters) == (0, sum(lengths))
    assert plain.probabilities is not None
    (sure, third, longer), *others = plain.probabilities
    assert (sure, third, longer) == (pytest.approx(0.99975, abs=1e-5), pytest.approx(1 / 3), 0.0)
    assert others == [[]] * (len(lengths) - 1)
    joined = decoded([bytes([0, 0, 1, 1, *[0] * (lengths[0] - 4)]), *no_words[1:]], [])
    assert joined.spans[0] == [Span(1, 4, label)]
    assert joined.probabilities is not None and joined.probabilities[0] == [pytest.approx(1 / 3)]


def test_split_stores_the_word_kinds_of_its_sentences(shards: Path) -> None:
    opened = open_shards(shards)
    split = read_split(opened, "train", boundaries=opened.boundaries, required=RequiredFeatures())
    assert split.kinds.shape == split.token_ids.shape and len(split) > 1
    assert [len(split.kinds_of(row)) for row in range(len(split))] == split.lengths.tolist()

"""New segments through a real (tiny, random) BERT, compared with the plain model run sentence by sentence."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from itertools import accumulate, islice
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.lib import tracemalloc_domain
from transformers import BertModel

from ssmi.pipeline.contract.encoders.vocabulary import encoder_vocabulary
from ssmi.pipeline.features.alignment import LinearMap
from ssmi.pipeline.features.segment_vectors import SegmentVectors
from ssmi.pipeline.features.text.tokens import CharacterTokens
from ssmi.pipeline.features.vocabulary import FloatMatrix, Vocabulary
from ssmi.pipeline.online.costs import CostCounter
from ssmi.pipeline.online.embedding import LONGEST_REMEMBERED, SEGMENTS_AT_ONCE, SegmentEmbedder
from ssmi.pipeline.online.encoders import SENTENCES_AT_ONCE, OnlineEncoders
from ssmi.pipeline.online.segmenting import Segmented

WIDTH, D = 32, 4
CLS, SEP = 2, 3
KNOWN = ["一丁", "丁七"]
STORED = SegmentVectors({"七丁": 0}, np.ones((1, D), np.float32), None, None)
CHARACTERS = [chr(0x4E00 + n) for n in range(50)]


@pytest.fixture(scope="module")
def vocabulary(make_vocabulary: Callable[[list[str], FloatMatrix], Vocabulary]) -> Vocabulary:
    return make_vocabulary(KNOWN, np.eye(2, D, dtype=np.float32))


@pytest.fixture(scope="module")
def encoders(encoder_folder: Path) -> OnlineEncoders:
    tokens = CharacterTokens(encoder_vocabulary(encoder_folder))
    return OnlineEncoders(encoder_folder, tokens, hidden_layers=None, max_window=40)


@pytest.fixture(scope="module")
def plain_states(encoder_folder: Path) -> Callable[[str], FloatMatrix]:
    """Return a function from a text to its hidden states, computed by the model alone."""
    model = BertModel.from_pretrained(encoder_folder, add_pooling_layer=False).eval()
    ids = encoder_vocabulary(encoder_folder)

    def states(text: str) -> FloatMatrix:
        with torch.inference_mode():
            output = model(input_ids=torch.tensor([[CLS, *(ids[character] for character in text), SEP]]))
        matrix: FloatMatrix = output.last_hidden_state[0, 1:-1].numpy()
        return matrix

    return states


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.sqrt((vector**2).sum())


def _map() -> LinearMap:
    rng = np.random.default_rng(4)
    return LinearMap(rng.normal(size=(WIDTH, D)), rng.normal(size=WIDTH), rng.uniform(1, 2, WIDTH), rng.normal(size=D))


class EmbedderWithCosts:
    """An embedder and its costs."""

    def __init__(
        self,
        encoders: OnlineEncoders,
        vocabulary: Vocabulary,
        *,
        stored: SegmentVectors | None = STORED,
        alignment: LinearMap | None = None,
        max_vectors: int = 10_000,
    ) -> None:
        self.costs = CostCounter()
        self.embedder = SegmentEmbedder(
            encoders, vocabulary, stored, alignment, costs=self.costs, max_vectors=max_vectors
        )

    @property
    def n_embedded(self) -> int:
        return self.costs.counts.embedded

    @property
    def n_encoder_calls(self) -> int:
        return self.costs.counts.encoder_calls


def test_segments_in_neither_vocabulary_nor_data_set_are_new(encoders: OnlineEncoders, vocabulary: Vocabulary) -> None:
    segments = ["一丁", "丁七", "七丁", "七", ""]
    with_stored = EmbedderWithCosts(encoders, vocabulary).embedder
    assert [with_stored.is_new(segment) for segment in segments] == [False, False, False, True, True]
    without_stored = EmbedderWithCosts(encoders, vocabulary, stored=None).embedder
    assert [without_stored.is_new(segment) for segment in segments] == [False, False, True, True, True]


@pytest.mark.parametrize("aligned", [False, True])
def test_an_isolated_segment_is_the_mean_of_its_character_states(
    encoders: OnlineEncoders, vocabulary: Vocabulary, plain_states: Callable[[str], FloatMatrix], aligned: bool
) -> None:
    alignment = _map()
    opened = EmbedderWithCosts(encoders, vocabulary, alignment=alignment if aligned else None)
    segments = ["七", "七七", "万丈三上下不", "".join(CHARACTERS[:30]), "一丁", "七丁"]
    embedded = opened.embedder.embed_alone(segments)
    assert set(embedded) == set(segments) - {"一丁", "七丁"}, "segments with a vector are not embedded"
    for segment, vector in embedded.items():
        mean = plain_states(segment).astype(np.float64).mean(axis=0)
        expected = mean
        if aligned:
            standard = (mean - alignment.mean) / alignment.scale
            expected = np.array([sum(standard * alignment.weights[:, n]) + alignment.offset[n] for n in range(D)])
        assert vector.shape == ((D,) if aligned else (WIDTH,))
        np.testing.assert_allclose(vector, _unit(expected), atol=5e-5)
    assert opened.n_embedded == 4


def test_vectors_have_the_same_bits_alone_in_a_batch_and_cached(
    encoders: OnlineEncoders, vocabulary: Vocabulary
) -> None:
    segments = sorted({first + second for first in CHARACTERS[:40] for second in CHARACTERS[:30]} - {"一丁", "丁七"})
    assert len(segments) > SEGMENTS_AT_ONCE
    opened = EmbedderWithCosts(encoders, vocabulary, stored=None)
    together = opened.embedder.embed_alone(segments)
    assert (opened.n_embedded, opened.n_encoder_calls) == (len(segments), 2)
    again = opened.embedder.embed_alone(reversed(segments))
    assert (opened.n_embedded, opened.n_encoder_calls) == (len(segments), 2), "nothing is computed twice"
    for segment in segments[::97]:
        alone = EmbedderWithCosts(encoders, vocabulary, stored=None).embedder.embed_alone([segment])[segment]
        assert together[segment].tobytes() == alone.tobytes() == again[segment].tobytes()


def test_the_cache_is_limited_in_number_and_length_of_segments(
    encoders: OnlineEncoders, vocabulary: Vocabulary
) -> None:
    opened = EmbedderWithCosts(encoders, vocabulary, max_vectors=2)
    longest, too_long = "七" * LONGEST_REMEMBERED, "七" * (LONGEST_REMEMBERED + 1)
    first = opened.embedder.embed_alone([longest, too_long])
    second = opened.embedder.embed_alone([longest, too_long])
    assert opened.n_embedded == 3, "the longer segment is not cached"
    assert all(first[segment].tobytes() == second[segment].tobytes() for segment in first)
    opened.embedder.embed_alone(["上", "下"])
    before = opened.n_embedded
    opened.embedder.embed_alone(["上", "下"])
    assert opened.n_embedded == before
    opened.embedder.embed_alone([longest])
    assert opened.n_embedded == before + 1, "two newer segments replaced it"


def test_a_repeated_segment_does_not_keep_others_in_memory(encoders: OnlineEncoders, vocabulary: Vocabulary) -> None:
    max_vectors = 100
    embedder = EmbedderWithCosts(encoders, vocabulary, stored=None, max_vectors=max_vectors).embedder
    repeated = [f"上{character}上" for character in CHARACTERS[:20]]
    single = iter([first + second + "下" for first in CHARACTERS for second in CHARACTERS])
    embedder.embed_alone(["上"])  # opens the encoder, which also allocates
    tracemalloc.start()
    try:
        for n, segment in enumerate(repeated):
            embedder.embed_alone([segment, *islice(single, 49)])
            embedder.embed_alone(repeated[: n + 1])
        arrays = tracemalloc.take_snapshot().filter_traces([tracemalloc.DomainFilter(True, tracemalloc_domain)])
    finally:
        tracemalloc.stop()
    assert 0 < sum(trace.size for trace in arrays.traces) <= 1.5 * max_vectors * WIDTH * 4


def test_known_segments_do_not_open_the_encoder(vocabulary: Vocabulary, tmp_path: Path) -> None:
    tokens = CharacterTokens({"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3})
    missing_encoders = OnlineEncoders(tmp_path / "none", tokens, hidden_layers=None, max_window=40)
    opened = EmbedderWithCosts(missing_encoders, vocabulary)
    assert opened.embedder.embed_alone(["一丁", "七丁"]) == {}
    assert list(opened.embedder.embed_in_sentences([], [])) == []
    assert (opened.n_embedded, opened.n_encoder_calls) == (0, 0)


def _sentence(*segments: str) -> Segmented:
    starts = [0, *accumulate(map(len, segments))][:-1]
    return Segmented(list("".join(segments)), segments, starts)


def test_a_segment_in_a_sentence_is_the_mean_over_its_occurrences(
    encoders: OnlineEncoders, vocabulary: Vocabulary, plain_states: Callable[[str], FloatMatrix]
) -> None:
    opened = EmbedderWithCosts(encoders, vocabulary)
    sentence = _sentence("七上", "一丁", "下", "七上", "七")
    (embedded,) = opened.embedder.embed_in_sentences([sentence], [["七上", "七"]])
    states = plain_states("".join(sentence.characters)).astype(np.float64)
    mean = (states[[0, 1]].mean(axis=0) + states[[5, 6]].mean(axis=0)) / 2
    np.testing.assert_allclose(embedded["七上"], _unit(mean), atol=5e-5)
    np.testing.assert_allclose(embedded["七"], _unit(states[7]), atol=5e-5)
    alignment = _map()
    aligned = EmbedderWithCosts(encoders, vocabulary, alignment=alignment).embedder
    (mapped,) = aligned.embed_in_sentences([sentence], [["七上"]])
    expected = ((mean - alignment.mean) / alignment.scale) @ alignment.weights + alignment.offset
    np.testing.assert_allclose(mapped["七上"], _unit(expected), atol=5e-5)
    alone = opened.embedder.embed_alone(["七上"])["七上"]
    assert np.abs(alone - embedded["七上"]).max() > 0.01, "the context matters"
    assert opened.n_embedded == 3, "vectors of one sentence are not kept for others"


def test_sentences_are_encoded_lazily_in_batches(encoders: OnlineEncoders, vocabulary: Vocabulary) -> None:
    sentences = [_sentence("七上", CHARACTERS[n], "下") for n in range(SENTENCES_AT_ONCE + 1)]
    opened = EmbedderWithCosts(encoders, vocabulary)
    vectors = opened.embedder.embed_in_sentences(sentences, [["七上"]] * len(sentences))
    first = next(vectors)
    assert opened.n_encoder_calls == 1
    all_vectors = [first, *vectors]
    assert opened.n_encoder_calls == 2 and len(all_vectors) == len(sentences)
    for n in (0, 1, SENTENCES_AT_ONCE):
        (alone,) = EmbedderWithCosts(encoders, vocabulary).embedder.embed_in_sentences([sentences[n]], [["七上"]])
        assert alone["七上"].tobytes() == all_vectors[n]["七上"].tobytes()

"""Online selections: some are cached, others are computed again, and neither changes a selection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssmi.pipeline.contract.encoders.vocabulary import encoder_vocabulary
from ssmi.pipeline.contract.parameters.params import SelectionParams
from ssmi.pipeline.contract.parquet.feature_rows import SelectedBoundaries
from ssmi.pipeline.features.alignment import LinearMap
from ssmi.pipeline.features.segment_vectors import SegmentVectors
from ssmi.pipeline.features.text.tokens import CharacterTokens
from ssmi.pipeline.features.vocabulary import FloatMatrix, Vocabulary
from ssmi.pipeline.online.costs import CostCounter
from ssmi.pipeline.online.embedding import LONGEST_REMEMBERED, SegmentEmbedder
from ssmi.pipeline.online.encoders import OnlineEncoders
from ssmi.pipeline.online.segmenting import Segmented
from ssmi.pipeline.online.selections import CachedSelector

WORDS = ["一丁", "丁七", "七万", "万丈", "丁万七", "七七"]
PARAMS = SelectionParams(threshold=0.2, max_set=2, n_negatives=2)
D, WIDTH = 4, 32
SEGMENTS = ["一丁", "丁七", "丁", "七", "万一", "丈"]


@pytest.fixture(scope="module")
def vocabulary(make_vocabulary: Callable[[list[str], FloatMatrix], Vocabulary]) -> Vocabulary:
    return make_vocabulary(WORDS, np.random.default_rng(9).normal(size=(len(WORDS), D)).astype(np.float32))


@pytest.fixture(scope="module")
def encoders(encoder_folder: Path) -> OnlineEncoders:
    tokens = CharacterTokens(encoder_vocabulary(encoder_folder))
    return OnlineEncoders(encoder_folder, tokens, hidden_layers=None, max_window=40)


class SelectorWithCosts:
    """A selector with its own embedder, and the costs of both."""

    def __init__(
        self,
        encoders: OnlineEncoders,
        vocabulary: Vocabulary,
        *,
        params: SelectionParams = PARAMS,
        max_selections: int = 1000,
    ) -> None:
        rng = np.random.default_rng(3)
        alignment = LinearMap(rng.normal(size=(WIDTH, D)), np.zeros(WIDTH), np.ones(WIDTH), np.zeros(D))
        stored = SegmentVectors({"丈": 0}, np.array([[0, 1, 0, 0]], np.float32), None, None)
        self._costs = CostCounter()
        self.embedder = SegmentEmbedder(
            encoders, vocabulary, stored, alignment, costs=self._costs, max_vectors=max_selections
        )
        self.selector = CachedSelector(
            vocabulary, stored, self.embedder, params, costs=self._costs, max_selections=max_selections
        )

    @property
    def n_answered(self) -> int:
        return self._costs.counts.answered

    @property
    def n_encoder_calls(self) -> int:
        return self._costs.counts.encoder_calls

    @property
    def n_embedded(self) -> int:
        return self._costs.counts.embedded


def sentence_of(segments: Sequence[str]) -> Segmented:
    return Segmented(list("".join(segments)), segments, [0, *accumulate(map(len, segments))][: len(segments)])


SENTENCES = st.lists(st.lists(st.sampled_from(SEGMENTS), max_size=5).map(sentence_of), max_size=4)


@given(sentences=SENTENCES)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_each_character_gets_the_nearest_word_that_contains_it(
    encoders: OnlineEncoders, vocabulary: Vocabulary, sentences: list[Segmented]
) -> None:
    opened = SelectorWithCosts(encoders, vocabulary)
    vectors = {segment: vocabulary.vectors[vocabulary[segment]] for segment in SEGMENTS if segment in vocabulary}
    vectors |= opened.embedder.embed_alone(SEGMENTS) | {"丈": np.array([0, 1, 0, 0], np.float32)}
    for sentence, selections in zip(sentences, opened.selector.select(sentences), strict=True):
        segment_of_character = [segment for segment in sentence.segments for _ in segment]
        for character, segment, selection in zip(sentence.characters, segment_of_character, selections, strict=True):
            cosines = {
                number: sum(
                    float(x) * float(y) for x, y in zip(vectors[segment], vocabulary.vectors[number], strict=True)
                )
                for number, word in enumerate(WORDS, start=1)
                if character in word
            }
            assert cosines[selection["best_id"]] == pytest.approx(max(cosines.values()), abs=1e-6)
            assert selection["best_cosine"] == pytest.approx(max(cosines.values()), abs=1e-6)
            assert len(selection["set_ids"]) == min(2, sum(cosine > 0.2 for cosine in cosines.values()))
            assert not set(selection["set_ids"]) & set(selection["negative_ids"])
            assert {*selection["set_ids"], *selection["negative_ids"]} <= set(cosines)


@given(first=SENTENCES, second=SENTENCES, max_selections=st.sampled_from([1, 3, 1000]))
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.parametrize("in_context", [False, True])
def test_an_answer_does_not_depend_on_earlier_calls(
    encoders: OnlineEncoders,
    vocabulary: Vocabulary,
    in_context: bool,
    first: list[Segmented],
    second: list[Segmented],
    max_selections: int,
) -> None:
    def select(opened: SelectorWithCosts, sentences: list[Segmented]) -> list[list[SelectedBoundaries]]:
        return (opened.selector.select_in_context if in_context else opened.selector.select)(sentences)

    used_before = SelectorWithCosts(encoders, vocabulary, max_selections=max_selections)
    select(used_before, first)
    alone = [select(SelectorWithCosts(encoders, vocabulary), [one])[0] for one in second]
    assert select(used_before, second) == alone


def test_equal_queries_are_answered_once_unless_the_segment_is_long(
    encoders: OnlineEncoders, vocabulary: Vocabulary
) -> None:
    opened = SelectorWithCosts(encoders, vocabulary)
    opened.selector.select([sentence_of(["一丁", "七", "七", "一丁"])])
    assert (opened.n_answered, opened.n_encoder_calls) == (3, 1)  # 一 and 丁 in 一丁, 七 in 七
    opened.selector.select([sentence_of(["七", "丁七"])])
    assert (opened.n_answered, opened.n_encoder_calls) == (5, 1)  # 丁 and 七 in 丁七
    for length, n_new in ((LONGEST_REMEMBERED, 0), (LONGEST_REMEMBERED + 1, 1)):
        sentence = sentence_of(["万" * length])
        one = opened.selector.select([sentence])
        before = opened.n_answered
        assert opened.selector.select([sentence]) == one
        assert opened.n_answered == before + n_new


def test_the_oldest_selections_are_dropped(encoders: OnlineEncoders, vocabulary: Vocabulary) -> None:
    opened = SelectorWithCosts(encoders, vocabulary, max_selections=2)
    for segment in ("七", "丁", "万"):
        opened.selector.select([sentence_of([segment])])
    before = opened.n_answered
    opened.selector.select([sentence_of(["万"])])
    assert opened.n_answered == before
    opened.selector.select([sentence_of(["七"])])
    assert opened.n_answered == before + 1


def test_context_encodes_only_sentences_with_new_segments(encoders: OnlineEncoders, vocabulary: Vocabulary) -> None:
    opened = SelectorWithCosts(encoders, vocabulary)
    known, one, other = sentence_of(["一丁", "丈"]), sentence_of(["七", "一丁"]), sentence_of(["丈", "七", "七"])
    known_selections, first, second = opened.selector.select_in_context([known, one, other])
    assert (opened.n_encoder_calls, opened.n_embedded) == (1, 2)
    assert first[0]["best_cosine"] != second[1]["best_cosine"], "七 occurs in another sentence"
    assert second[1] == second[2], "a segment has one vector per sentence"
    assert first[1:] == known_selections[:2], "一丁 is in the vocabulary, so its context does not matter"
    n_answered = opened.n_answered
    assert opened.selector.select_in_context([known]) == [known_selections]
    assert (opened.n_answered, opened.n_encoder_calls) == (n_answered, 1)
    assert opened.selector.select_in_context([one]) == [first]
    assert (opened.n_answered, opened.n_encoder_calls) == (n_answered + 1, 2)


def test_sentence_scope_gives_equal_segments_different_candidates(
    encoders: OnlineEncoders, vocabulary: Vocabulary
) -> None:
    opened = SelectorWithCosts(encoders, vocabulary, params=PARAMS.model_copy(update={"scope": "sentence"}))
    (selections,) = opened.selector.select([sentence_of(["七", "万", "七"])])
    assert selections[0]["best_id"] == vocabulary["七万"], "the only word over this position"
    assert (selections[2]["best_id"], selections[2]["best_cosine"]) == (0, None), "no word covers this position"
    assert selections[2]["set_ids"] == selections[2]["negative_ids"] == []

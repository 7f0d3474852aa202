"""Scores against values computed by hand, and against seqeval on random and damaged sequences."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.scheme import IOB2, IOBES

from ssmi.model.evaluation.scoring import EntityCounts, Scores, pooled
from ssmi.model.evaluation.scoring import score as score_spans
from ssmi.pipeline.contract.label_groups import NO_GROUPS, LabelGroups
from ssmi.pipeline.contract.labels import LabelSet, Span, TagScheme, spans_to_tags, strict_spans

TYPES = ("GPE.NAM", "ORG", "PER")


def score(
    gold: list[list[Span]], predicted_tags: list[list[str]], *, scheme: TagScheme, groups: LabelGroups = NO_GROUPS
) -> Scores:
    """Score the spans of predicted tag paths, read strictly as ``model.network.decoding`` reads them."""
    read = [strict_spans(tags, scheme=scheme) for tags in predicted_tags]
    ill_formed = sum(pieces for _, pieces in read)
    return score_spans(gold, [spans for spans, _ in read], groups=groups, ill_formed=ill_formed)


def test_scores_equal_hand_computed_values() -> None:
    gold = [[Span(0, 2, "PER"), Span(4, 5, "LOC")], [Span(0, 3, "ORG")], []]
    predicted = [["B-PER", "E-PER", "O", "O", "S-ORG"], ["B-ORG", "E-ORG", "O"], ["S-PER", "M-PER", "M-PER", "B-LOC"]]
    scores = score(gold, predicted, scheme="BMES")
    assert scores.overall == EntityCounts(gold=3, predicted=4, correct=1)
    assert (scores.overall.precision, scores.overall.recall) == (1 / 4, 1 / 3)
    assert scores.overall.f1 == pytest.approx(2 / 7)
    assert scores.by_type == {"LOC": EntityCounts(1, 0, 0), "ORG": EntityCounts(1, 2, 0), "PER": EntityCounts(1, 2, 1)}
    assert scores.spans == EntityCounts(3, 4, 2)
    assert scores.type_accuracy == 1 / 2
    assert scores.ill_formed == 2  # M-PER M-PER, and an unclosed B-LOC
    assert scores.n_sentences == 3
    assert scores.by_group == {}
    body = scores.to_json()
    assert body["f1"] == scores.overall.f1 and body["span"]["correct"] == 2 and body["by_type"]["ORG"]["predicted"] == 2


def test_groups_of_types_are_scored_together() -> None:
    gold = [[Span(0, 1, "PER.NAM"), Span(1, 2, "PER.NOM"), Span(2, 3, "LOC.NAM")]]
    groups = {"named": ("*.NAM",), "nominal": ("*.NOM",), "people": ("PER.*", "NAME"), "none": ("X",)}
    scores = score(gold, [["S-PER.NAM", "S-PER.NAM", "O"]], scheme="BMES", groups=groups)
    assert scores.by_group == {
        "named": EntityCounts(2, 2, 1),
        "nominal": EntityCounts(1, 0, 0),
        "people": EntityCounts(2, 2, 1),
        "none": EntityCounts(0, 0, 0),
    }
    assert list(scores.to_json()["by_group"]) == sorted(groups)


def test_no_entities_give_zero_scores() -> None:
    scores = score([[], []], [["O"], []], scheme="BMES")
    assert scores.overall == EntityCounts(0, 0, 0)
    assert (scores.overall.f1, scores.overall.precision, scores.overall.recall, scores.type_accuracy) == (0, 0, 0, 0)


def test_missing_sentences_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        score([[], []], [["O"]], scheme="BMES")


@st.composite
def tagged(draw: st.DrawFn, scheme: TagScheme) -> tuple[list[str], list[str]]:
    """Gold tags of random spans, and the same tags with random damage."""
    length = draw(st.integers(1, 14))
    spans, place = [], 0
    while place < length:
        size = draw(st.integers(1, 4))
        label = draw(st.sampled_from([None, *TYPES]))
        if label and place + size <= length:
            spans.append(Span(place, place + size, label))
        place += size
    gold = spans_to_tags(spans, n_characters=length, scheme=scheme)
    all_tags = LabelSet.of(TYPES, scheme=scheme).tags
    damage = draw(st.dictionaries(st.integers(0, length - 1), st.sampled_from(all_tags), max_size=length))
    return gold, [damage.get(index, tag) for index, tag in enumerate(gold)]


@pytest.mark.parametrize("scheme", ["BMES", "BIOES", "BIO"])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_scores_equal_strict_seqeval(scheme: TagScheme, data: st.DataObject) -> None:
    pairs = data.draw(st.lists(tagged(scheme), min_size=1, max_size=5))
    gold_tags, predicted = [gold for gold, _ in pairs], [damaged for _, damaged in pairs]
    gold = [strict_spans(tags, scheme=scheme)[0] for tags in gold_tags]
    scores = score(gold, predicted, scheme=scheme).overall

    def as_seqeval(sequences: list[list[str]]) -> list[list[str]]:
        return [["I" + tag[1:] if tag[0] == "M" else tag for tag in tags] for tags in sequences]

    kind = {"mode": "strict", "scheme": IOB2 if scheme == "BIO" else IOBES, "zero_division": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = [
            measure(as_seqeval(gold_tags), as_seqeval(predicted), **kind)
            for measure in (precision_score, recall_score, f1_score)
        ]
    assert [scores.precision, scores.recall, scores.f1] == pytest.approx(expected)


@given(data=st.data())
def test_perfect_predictions_score_one(data: st.DataObject) -> None:
    gold_tags, _ = data.draw(tagged("BMES"))
    gold, _ = strict_spans(gold_tags, scheme="BMES")
    scores = score([gold], [gold_tags], scheme="BMES")
    assert scores.ill_formed == 0
    assert scores.overall.f1 == scores.spans.f1 == scores.type_accuracy == (1.0 if gold else 0.0)


# --- pooled -----------------------------------------------------------------------------------------------------------

_SPANS = st.lists(
    st.builds(lambda start, label: Span(start, start + 2, label), st.integers(0, 6), st.sampled_from(TYPES)),
    max_size=3,
    unique=True,
)
_SENTENCES = st.lists(st.tuples(_SPANS, _SPANS), max_size=6)


@given(st.lists(_SENTENCES, max_size=4))
def test_pooled_parts_equal_all_sentences(parts: list[list[tuple[list[Span], list[Span]]]]) -> None:
    groups = {"named": ("*.NAM",), "people": ("PER",)}

    def score_part(sentences: list[tuple[list[Span], list[Span]]]) -> Scores:
        gold, predicted = [entities for entities, _ in sentences], [entities for _, entities in sentences]
        return score_spans(gold, predicted, groups=groups, ill_formed=len(sentences))

    expected = score_part([sentence for part in parts for sentence in part])
    scores = pooled([score_part(part) for part in parts])
    assert scores.overall == expected.overall and scores.by_type == expected.by_type
    assert (scores.spans, scores.type_accuracy) == (expected.spans, expected.type_accuracy)
    assert (scores.ill_formed, scores.n_sentences) == (expected.ill_formed, expected.n_sentences)
    if parts:  # groups are listed only if there is something to group
        assert scores.by_group == expected.by_group


def test_pooled_f1_is_not_the_mean_of_parts() -> None:
    def part(gold: int, predicted: int, correct: int) -> Scores:
        counts = EntityCounts(gold, predicted, correct)
        return Scores(counts, {"PER": counts}, {}, counts, 0, 1)

    scores = pooled([part(1, 1, 1), part(9, 9, 0)])
    assert scores.overall == EntityCounts(10, 10, 1) and scores.overall.f1 == pytest.approx(0.1)

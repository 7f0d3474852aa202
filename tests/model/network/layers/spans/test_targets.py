"""Gold spans from tags, and boundary smoothing against a plain computation."""

from __future__ import annotations

from collections import defaultdict

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ssmi.model.network.layers.spans.targets import NO_ENTITY, GoldSpans, SpanIndex, boundary_smoothed
from ssmi.pipeline.contract.labels import LabelSet, Span, TagScheme, repair_spans, spans_to_tags

SCHEMES: tuple[TagScheme, ...] = ("BIO", "BMES", "BIOES")
TYPES = ("A", "B")


@st.composite
def sentences(draw: st.DrawFn) -> tuple[int, list[Span]]:
    """A number of characters, and entities within them that may touch but do not overlap."""
    n_characters = draw(st.integers(1, 12))
    edges = sorted(draw(st.sets(st.integers(0, n_characters))))
    kinds = draw(st.lists(st.sampled_from((None, *TYPES)), min_size=len(edges), max_size=len(edges)))
    pairs = zip(edges[:-1], edges[1:], kinds, strict=False)
    return n_characters, [Span(start, end, kind) for start, end, kind in pairs if kind is not None]


def _batch(batch: list[tuple[int, list[Span]]], scheme: TagScheme) -> tuple[torch.Tensor, torch.Tensor]:
    """Tag ids, with noise at padding, and the mask."""
    labels = LabelSet.of(TYPES, scheme=scheme)
    longest = max(n_characters for n_characters, _ in batch)
    ids, mask = torch.randint(0, len(labels.tags), (len(batch), longest)), []
    for row, (n_characters, spans) in enumerate(batch):
        tags = spans_to_tags(spans, n_characters=n_characters, scheme=scheme)
        ids[row, :n_characters] = torch.tensor([labels.tag_ids()[tag] for tag in tags])
        mask.append([place < n_characters for place in range(longest)])
    return ids, torch.tensor(mask)


def _spans(index: SpanIndex) -> list[tuple[int, Span]]:
    columns = (index.sentence.tolist(), index.first.tolist(), index.last.tolist(), index.kind.tolist())
    return [(row, Span(first, last + 1, TYPES[kind - 1])) for row, first, last, kind in zip(*columns, strict=True)]


@given(st.lists(sentences(), min_size=1, max_size=4), st.sampled_from(SCHEMES))
def test_gold_spans_equal_those_of_the_tags(batch: list[tuple[int, list[Span]]], scheme: TagScheme) -> None:
    gold = GoldSpans(LabelSet.of(TYPES, scheme=scheme))
    expected = [(row, span) for row, (_, spans) in enumerate(batch) for span in spans]
    assert _spans(gold(*_batch(batch, scheme))) == expected
    labels = LabelSet.of(TYPES, scheme=scheme)
    for n_characters, spans in batch:  # the readers take the same spans from the tags
        assert repair_spans(spans_to_tags(spans, n_characters=n_characters, scheme=labels.scheme)) == spans


def test_tag_tables_are_not_saved_with_the_weights() -> None:
    assert GoldSpans(LabelSet.of(TYPES, scheme="BMES")).state_dict() == {}


def _plain_targets(
    n_characters: int, spans: list[Span], *, longest: int, smoothing: float, distance: int
) -> dict[tuple[int, int, str], float]:
    """Map (first, last, type) to its target probability, by looping over all spans."""
    shares: dict[tuple[int, int, str], float] = defaultdict(float)
    for span in spans:
        first, last = span.start, span.end - 1
        if last - first >= longest:
            continue
        remaining = 1.0
        for i in range(n_characters):
            for j in range(i, min(i + longest, n_characters)):
                offset = abs(i - first) + abs(j - last)
                if 1 <= offset <= distance:
                    shares[i, j, span.label] += smoothing / distance / (4 * offset)
                    remaining -= smoothing / distance / (4 * offset)
        shares[first, last, span.label] += remaining
    return shares


@given(
    st.lists(sentences(), min_size=1, max_size=3),
    st.integers(1, 13),
    st.sampled_from([0.0, 0.1, 0.3, 0.99]),
    st.integers(1, 4),
)
def test_boundary_smoothing_equals_plain_loops(
    batch: list[tuple[int, list[Span]]], longest: int, smoothing: float, distance: int
) -> None:
    ids, mask = _batch(batch, "BMES")
    gold = GoldSpans(LabelSet.of(TYPES, scheme="BMES"))(ids, mask)
    n_lengths = min(longest, mask.shape[1])
    ends = torch.arange(mask.shape[1])[:, None] + torch.arange(n_lengths)
    within = ends < mask.sum(1)[:, None, None]
    targets = boundary_smoothed(
        gold, spans=within, n_types=len(TYPES), smoothing=smoothing, distance=distance, dtype=torch.float64
    )
    assert targets.shape == (*within.shape, len(TYPES) + 1)
    torch.testing.assert_close(targets.sum(-1), torch.ones_like(targets.sum(-1)))
    assert targets.min() > -1e-12 and targets.max() < 1 + 1e-12, "also where entities touch"
    assert not targets[~within][:, NO_ENTITY + 1 :].any(), "nothing beyond a sentence"
    for row, (n_characters, spans) in enumerate(batch):
        expected = _plain_targets(n_characters, spans, longest=longest, smoothing=smoothing, distance=distance)
        short = [span for span in spans if span.end - span.start <= longest]
        # The mass of each entity is 1, however it is spread.
        assert targets[row, ..., NO_ENTITY + 1 :].sum().item() == pytest.approx(len(short))
        for first in range(n_characters):
            for size in range(min(n_lengths, n_characters - first)):
                got = targets[row, first, size, NO_ENTITY + 1 :].tolist()
                assert got == pytest.approx([expected[first, first + size, kind] for kind in TYPES], abs=1e-12)


def test_smoothing_of_one_entity_has_the_expected_values() -> None:
    """D = 1 gives each of an entity's four neighbours ε / 4; D = 2 gives ε / 8 and ε / 16."""
    within = torch.ones(1, 12, 6, dtype=torch.bool) & (torch.arange(12)[:, None] + torch.arange(6) < 12)
    gold = SpanIndex(*(torch.tensor([value]) for value in (0, 4, 6, 1)))
    one, two = (
        boundary_smoothed(gold, spans=within, n_types=1, smoothing=0.2, distance=distance, dtype=torch.float64)[
            0, ..., 1
        ]
        for distance in (1, 2)
    )
    neighbours = [(3, 3), (5, 1), (4, 1), (4, 3)]  # (first character, number of characters after it)
    assert [one[place].item() for place in neighbours] == pytest.approx([0.05] * 4)
    assert (one[4, 2].item(), one.sum().item()) == (pytest.approx(0.8), pytest.approx(1.0))
    assert [two[place].item() for place in neighbours] == pytest.approx([0.025] * 4)
    assert two[3, 4].item() == two[5, 2 - 2].item() == two[3, 2].item() == pytest.approx(0.2 / 2 / 8)
    assert (two > 0).sum() == 13 and two.sum().item() == pytest.approx(1.0)

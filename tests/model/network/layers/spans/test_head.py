"""The span head: its loss against plain float64 loops, its decoder against a full search, and its probabilities."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ssmi.model.network.layers.spans.head import SpanHead
from ssmi.model.network.layers.spans.scorer import SpanScorer
from ssmi.pipeline.contract.labels import LabelSet, Span, spans_to_tags

TYPES = ("A", "B")
LABELS = LabelSet.of(TYPES, scheme="BMES")
LENGTHS = (6, 1, 4)


def _head(longest: int = 4, *, smoothing: float = 0.2, distance: int = 2) -> SpanHead:
    scorer = SpanScorer(inputs=3, width=4, n_types=len(TYPES), longest=longest, dropout=0.0)
    return SpanHead(LABELS, scorer=scorer, smoothing=smoothing, distance=distance).double()


def _mask(lengths: tuple[int, ...] = LENGTHS) -> Tensor:
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def _ids(sentences: list[list[Span]], lengths: tuple[int, ...] = LENGTHS) -> Tensor:
    ids = torch.zeros(len(lengths), max(lengths), dtype=torch.long)
    for row, (spans, length) in enumerate(zip(sentences, lengths, strict=True)):
        tags = spans_to_tags(spans, n_characters=length, scheme="BMES")
        ids[row, :length] = torch.tensor([LABELS.tag_ids()[tag] for tag in tags])
    return ids


def _softmax(scores: list[float]) -> list[float]:
    best = max(scores)
    parts = [math.exp(score - best) for score in scores]
    return [part / math.fsum(parts) for part in parts]


GOLD = [[Span(0, 2, "A"), Span(2, 3, "B"), Span(3, 6, "A")], [Span(0, 1, "B")], []]


@pytest.mark.parametrize(("smoothing", "distance"), [(0.0, 1), (0.1, 1), (0.3, 2)])
@pytest.mark.parametrize("longest", [3, 9])
def test_loss_equals_plain_loops(smoothing: float, distance: int, longest: int) -> None:
    torch.manual_seed(longest)
    head = _head(longest, smoothing=smoothing, distance=distance)
    scores = head.scores(3 * torch.randn(len(LENGTHS), max(LENGTHS), 3, dtype=torch.float64))
    got = head(scores, _ids(GOLD), mask=_mask())
    assert got.shape == (len(LENGTHS),)
    for row, (length, spans) in enumerate(zip(LENGTHS, GOLD, strict=True)):
        expected = 0.0
        cells = [(i, j) for i in range(length) for j in range(i, min(i + longest, length))]
        for i, j in cells:
            target = dict.fromkeys(TYPES, 0.0)
            for span in spans:
                offset = abs(i - span.start) + abs(j - span.end + 1)
                if offset == 0:
                    target[span.label] += 1.0
                for d in range(1, distance + 1):
                    share = smoothing / distance / (4 * d)
                    if offset == d:
                        target[span.label] += share
                    if offset == 0:
                        target[span.label] -= share * sum(
                            abs(a - span.start) + abs(b - span.end + 1) == d for a, b in cells
                        )
            probabilities = _softmax(scores[row, i, j - i].tolist())
            none = 1.0 - sum(target.values())
            expected -= none * math.log(probabilities[0])
            expected -= math.fsum(
                target[label] * math.log(probabilities[index]) for index, label in enumerate(TYPES, start=1)
            )
        assert got[row].item() == pytest.approx(expected, rel=1e-9)


def test_loss_without_smoothing_is_cross_entropy() -> None:
    torch.manual_seed(1)
    head = _head(smoothing=0.0)
    scores = torch.randn(1, 3, 3, 3, dtype=torch.float64)
    gold = {(0, 1): 1, (2, 0): 2}
    ids, mask = _ids([[Span(0, 2, "A"), Span(2, 3, "B")]], (3,)), _mask((3,))
    places = [(first, size) for first in range(3) for size in range(3 - first)]
    kinds = torch.tensor([gold.get(place, 0) for place in places])
    rows = torch.stack([scores[0, first, size] for first, size in places])
    expected = torch.nn.functional.cross_entropy(rows, kinds, reduction="sum")
    torch.testing.assert_close(head(scores, ids, mask=mask), expected[None])


def test_gradients_match_finite_differences_and_are_zero_at_padding() -> None:
    torch.manual_seed(2)
    head = _head()
    scores = torch.randn(len(LENGTHS), 6, 4, 3, dtype=torch.float64, requires_grad=True)
    ids, mask = _ids(GOLD), _mask()
    assert torch.autograd.gradcheck(lambda values: head(values, ids, mask=mask), (scores,))
    head(scores, ids, mask=mask).sum().backward()
    ends = torch.arange(6)[:, None] + torch.arange(4)
    within = ends < mask.sum(1)[:, None, None]
    assert scores.grad is not None and scores.grad[within].any(-1).all() and not scores.grad[~within].any()


def _plain_decode(scores: Tensor, length: int) -> list[tuple[float, Span]]:
    """From the list of all spans, repeatedly take the most probable one that overlaps no span already taken."""
    candidates = []
    for first in range(length):
        for size in range(min(scores.shape[1], length - first)):
            probabilities = _softmax(scores[first, size].tolist())
            kind = max(range(len(probabilities)), key=probabilities.__getitem__)
            if kind:
                candidates.append((probabilities[kind], Span(first, first + size + 1, TYPES[kind - 1])))
    taken: list[tuple[float, Span]] = []
    while candidates:
        best = max(candidates, key=lambda candidate: candidate[0])
        taken.append(best)
        candidates = [
            candidate
            for candidate in candidates
            if candidate[1].end <= best[1].start or candidate[1].start >= best[1].end
        ]
    return sorted(taken, key=lambda candidate: candidate[1])


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.lists(st.integers(1, 7), min_size=1, max_size=4), st.integers(1, 9))
def test_decoder_equals_a_full_search(seed: int, sizes: list[int], longest: int) -> None:
    torch.manual_seed(seed)
    lengths = tuple(sizes)
    head, mask = _head(longest), _mask(lengths)
    scores = 4 * torch.randn(len(lengths), max(lengths), min(longest, max(lengths)), 3, dtype=torch.float64)
    decoded = head.decode(scores, mask=mask)
    expected = [_plain_decode(scores[row], length) for row, length in enumerate(lengths)]
    assert decoded == [[span for _, span in sentence] for sentence in expected]
    for spans in decoded:
        assert all(left.end <= right.start for left, right in pairwise(spans))
    probabilities = head.span_probabilities(scores, mask=mask, spans=decoded)
    for got, sentence in zip(probabilities, expected, strict=True):
        assert got == pytest.approx([probability for probability, _ in sentence])


def test_nearly_certain_spans_are_distinguished() -> None:
    """In float32 both probabilities would round to 1, and the first span would be taken."""
    scores = torch.zeros(1, 3, 3, 3)
    scores[..., 0] = 9.0
    scores[0, 0, 1], scores[0, 1, 1] = torch.tensor([0.0, 20.0, 0.0]), torch.tensor([0.0, 22.0, 0.0])
    assert scores.softmax(-1).amax() == 1.0
    assert _head().decode(scores, mask=_mask((3,))) == [[Span(1, 3, "A")]]
    # Of equally probable spans, the first is taken.
    scores[0, 0, 1, 1] = 22.0
    assert _head().decode(scores, mask=_mask((3,))) == [[Span(0, 2, "A")]]


def test_probabilities_of_arbitrary_spans() -> None:
    torch.manual_seed(3)
    head, mask = _head(longest=2), _mask()
    scores = torch.randn(3, 6, 2, 3, dtype=torch.float64)
    requested = [[Span(0, 2, "A"), Span(0, 2, "B"), Span(1, 3, "A"), Span(0, 3, "A")], [], [Span(3, 4, "B")]]
    got = head.span_probabilities(scores, mask=mask, spans=requested)
    probabilities = scores.softmax(-1)
    assert got[0] == pytest.approx([*probabilities[0, 0, 1, 1:].tolist(), probabilities[0, 1, 1, 1].item(), 0.0])
    assert got[0][3] == 0.0, "longer than any span in training"
    assert got[1:] == [[], [pytest.approx(probabilities[2, 3, 0, 2].item())]]
    assert head.span_probabilities(scores, mask=mask, spans=[[], [], []]) == [[], [], []]
    for invalid in (Span(0, 2, "C"), Span(3, 5, "A"), Span(2, 2, "A"), Span(-1, 1, "A")):
        with pytest.raises(ValueError, match="in a sentence of 4 characters"):
            head.span_probabilities(scores, mask=mask, spans=[[], [], [invalid]])


def test_head_memorises_its_training_data() -> None:
    torch.manual_seed(4)
    head = _head(longest=3, distance=1).float()
    states = torch.randn(3, 6, 3)
    ids, mask = _ids(GOLD), _mask()
    optimizer = torch.optim.AdamW(head.parameters(), lr=0.05)
    losses = []
    for _ in range(120):
        optimizer.zero_grad()
        loss = head(head.scores(states), ids, mask=mask).sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 3
    assert head.decode(head.scores(states), mask=mask) == GOLD

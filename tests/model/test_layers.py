"""Boundary, fusion and CRF bricks."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchcrf import CRF

from model.layers.boundary import BoundaryEmbedding
from model.layers.crf import ConstrainedCrf
from model.layers.fusion import Fusion
from pipeline.contract.labels import LabelSet, TagScheme, strict_spans

SCHEMES: tuple[TagScheme, ...] = ("BIO", "BMES", "BIOES")


def test_row_zero_is_no_boundary_and_learns_nothing() -> None:
    layer = BoundaryEmbedding(torch.ones(3, 4), trainable=True, dropout=0.0)
    rows = torch.tensor([[0, 1, 3]])
    vectors = layer(rows)
    assert vectors[0].tolist() == [[0.0] * 4, [1.0] * 4, [1.0] * 4]
    vectors.sum().backward()
    assert layer.table.weight.grad is not None
    assert layer.table.weight.grad.sum(1).tolist() == [0.0, 4.0, 0.0, 4.0]


def test_a_frozen_table_has_no_gradient() -> None:
    layer = BoundaryEmbedding(torch.ones(3, 4), trainable=False, dropout=0.0)
    assert not any(parameter.requires_grad for parameter in layer.parameters())


def test_dropout_hides_whole_boundaries_in_training_only() -> None:
    torch.manual_seed(1)
    layer = BoundaryEmbedding(torch.ones(1, 4), trainable=True, dropout=0.3)
    rows = torch.ones(100, 100, dtype=torch.long)
    vectors = layer(rows)
    assert ((vectors == 0).all(-1) | (vectors == 1).all(-1)).all()
    assert 0.27 < float((vectors == 0).all(-1).float().mean()) < 0.33
    assert layer.eval()(rows).all()


@pytest.mark.parametrize("bf16", [False, True])
def test_fusion_starts_exactly_from_the_characters(bf16: bool) -> None:
    fusion = Fusion(width=32, boundary_width=6)
    characters, boundaries = torch.randn(2, 7, 32), torch.randn(2, 7, 6)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        assert torch.equal(fusion(characters, boundaries), characters)


def test_fusion_learns_from_the_boundaries() -> None:
    fusion = Fusion(width=4, boundary_width=2)
    target = torch.randn(1, 5, 4)
    characters, boundaries = torch.zeros(1, 5, 4), torch.randn(1, 5, 2)
    (fusion(characters, boundaries) - target).square().sum().backward()
    assert fusion.boundaries.weight.grad is not None
    assert fusion.boundaries.weight.grad.abs().sum() > 0


def _crf(scheme: TagScheme, *, types: tuple[str, ...] = ("A", "B"), seed: int = 0) -> tuple[ConstrainedCrf, LabelSet]:
    torch.manual_seed(seed)
    labels = LabelSet.of(types, scheme=scheme)
    return ConstrainedCrf(labels), labels


def _well_formed(labels: LabelSet, path: tuple[int, ...]) -> bool:
    tags = [None, *(labels.tags[place] for place in path), None]
    return all(labels.allows(left, right) for left, right in itertools.pairwise(tags))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_likelihood_and_decoding_equal_enumeration(scheme: TagScheme) -> None:
    crf, labels = _crf(scheme, types=("A",))
    length, n_tags = 4, len(labels.tags)
    emissions = torch.randn(1, length, n_tags)
    mask = torch.ones(1, length, dtype=torch.bool)

    @torch.no_grad()
    def score(path: tuple[int, ...]) -> float:
        total = crf.crf.start_transitions[path[0]] + crf.crf.end_transitions[path[-1]]
        total = total + sum(emissions[0, place, tag] for place, tag in enumerate(path))
        return float(total + sum(crf.crf.transitions[pair] for pair in itertools.pairwise(path)))

    paths = [path for path in itertools.product(range(n_tags), repeat=length) if _well_formed(labels, path)]
    scores = {path: score(path) for path in paths}
    log_sum = math.log(sum(math.exp(value) for value in scores.values()))
    for path in paths[:: len(paths) // 7]:
        loss = crf(emissions, torch.tensor([path]), mask=mask)
        assert loss.item() == pytest.approx(log_sum - scores[path], abs=1e-4)
    assert tuple(crf.decode(emissions, mask=mask)[0]) == max(scores, key=lambda path: scores[path])


@settings(max_examples=30, deadline=None)
@given(
    scheme=st.sampled_from(SCHEMES),
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    scale=st.sampled_from([0.1, 3.0, 300.0]),
    seed=st.integers(0, 1000),
)
def test_decoded_sequences_are_always_well_formed(
    scheme: TagScheme, lengths: list[int], scale: float, seed: int
) -> None:
    crf, labels = _crf(scheme, seed=seed)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    paths = crf.decode(scale * torch.randn(*mask.shape, len(labels.tags)), mask=mask)
    assert list(map(len, paths)) == lengths
    for path in paths:
        assert strict_spans([labels.tags[place] for place in path], scheme=scheme)[1] == 0


@pytest.mark.parametrize("scheme", SCHEMES)
def test_forbidden_transitions_stay_forbidden_while_all_else_learns(scheme: TagScheme) -> None:
    crf, labels = _crf(scheme)
    before = {name: value.detach().clone() for name, value in crf.named_parameters()}
    optimizer = torch.optim.AdamW(crf.parameters(), lr=5.0, weight_decay=0.1)
    mask = torch.ones(3, 6, dtype=torch.bool)
    gold = torch.zeros(3, 6, dtype=torch.long)
    for _ in range(20):
        optimizer.zero_grad()
        crf(torch.randn(3, 6, len(labels.tags)), gold, mask=mask).sum().backward()
        optimizer.step()
    crf.forbid()
    trained = crf.crf.transitions.detach()
    for left, right in itertools.product(range(len(labels.tags)), repeat=2):
        allowed = labels.allows(labels.tags[left], labels.tags[right])
        assert bool(trained[left, right] < -9_000) is not allowed
    assert all(not torch.equal(before[name], value) for name, value in crf.named_parameters())
    emissions = 50 * torch.randn(20, 8, len(labels.tags))
    for path in crf.decode(emissions, mask=torch.ones(20, 8, dtype=torch.bool)):
        assert _well_formed(labels, tuple(path))


def test_padding_never_changes_a_score() -> None:
    crf, labels = _crf("BMES")
    emissions = torch.randn(1, 5, len(labels.tags))
    gold = torch.tensor([[0, 1, 2, 3, 0]])
    mask = torch.ones(1, 5, dtype=torch.bool)
    loss, path = crf(emissions, gold, mask=mask), crf.decode(emissions, mask=mask)
    for junk in (0.0, 1e4, -1e4):
        wide = torch.cat((emissions, torch.full((1, 4, len(labels.tags)), junk)), dim=1)
        wide_gold = torch.cat((gold, torch.full((1, 4), 2)), dim=1)
        wide_mask = torch.arange(9)[None] < 5
        assert torch.equal(crf(wide, wide_gold, mask=wide_mask), loss)
        assert crf.decode(wide, mask=wide_mask) == path


def test_without_constraints_it_is_pytorch_crf() -> None:
    crf, labels = _crf("BIO")
    plain = CRF(len(labels.tags), batch_first=True)
    plain.load_state_dict(crf.crf.state_dict())
    mask = torch.arange(7)[None] < torch.tensor([7, 3])[:, None]
    emissions, gold = torch.randn(2, 7, len(labels.tags)), torch.tensor([[0, 1, 2, 2, 0, 3, 4], [0, 0, 0, 0, 0, 0, 0]])
    expected = -plain(emissions, gold, mask=mask, reduction="none")
    torch.testing.assert_close(crf(emissions, gold, mask=mask), expected)


def test_scores_are_float32_even_under_autocast() -> None:
    crf, labels = _crf("BMES")
    emissions = torch.randn(1, 5, len(labels.tags))
    gold, mask = torch.zeros(1, 5, dtype=torch.long), torch.ones(1, 5, dtype=torch.bool)
    plain = crf(emissions, gold, mask=mask)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(crf(emissions, gold, mask=mask), plain)


@pytest.mark.parametrize(
    "mask",
    [
        torch.tensor([[False, True]]),
        torch.tensor([[True, False, True]]),
        torch.tensor([[True, True], [False, False]]),
        torch.ones(1, 2, dtype=torch.uint8),
    ],
)
def test_masks_with_holes_are_refused(mask: torch.Tensor) -> None:
    crf, labels = _crf("BMES")
    emissions, gold = torch.randn(*mask.shape, len(labels.tags)), torch.zeros(*mask.shape, dtype=torch.long)
    with pytest.raises(ValueError, match="mask"):
        crf(emissions, gold, mask=mask)
    with pytest.raises(ValueError, match="mask"):
        crf.decode(emissions, mask=mask)

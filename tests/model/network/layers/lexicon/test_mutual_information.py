"""Global mutual information against its formulas in plain float64 loops."""

from __future__ import annotations

import math
from typing import NamedTuple, get_args

import pytest
import torch
from torch import Tensor

from ssmi.model.network.layers.lexicon.mutual_information import (
    GlobalLoss,
    MutualInformationScorer,
    batch_contrastive_loss,
    contrastive_loss,
    weighted_mean,
)

KINDS: tuple[GlobalLoss, ...] = get_args(GlobalLoss)
SENTENCE, BOUNDARY = 7, 4


class Case(NamedTuple):
    """Sentences of 6 and 3 characters, with sets of up to 3 and up to 4 negatives; masked entries hold noise of 1e3."""

    sentences: Tensor
    sets: Tensor
    mask: Tensor
    negatives: Tensor
    negative_mask: Tensor

    def outputs(self, layer: MutualInformationScorer, kind: GlobalLoss) -> tuple[Tensor, Tensor]:
        scores, rivals = layer(self.sentences, self.sets), layer(self.sentences, self.negatives)
        loss = contrastive_loss(scores, rivals, mask=self.mask, negative_mask=self.negative_mask, kind=kind)
        return weighted_mean(scores, self.sets, mask=self.mask), loss


def _case(seed: int = 5) -> tuple[MutualInformationScorer, Case]:
    torch.manual_seed(seed)
    layer = MutualInformationScorer(sentence_width=SENTENCE, boundary_width=BOUNDARY)
    sizes = torch.tensor([[3, 1, 0, 2, 3, 2], [2, 0, 1, 0, 0, 0]])
    n_negatives = torch.tensor([[4, 4, 4, 0, 1, 2], [3, 0, 4, 0, 0, 0]])
    mask, negative_mask = torch.arange(3) < sizes[..., None], torch.arange(4) < n_negatives[..., None]

    def vectors(real: Tensor) -> Tensor:
        unit = torch.nn.functional.normalize(torch.randn(*real.shape, BOUNDARY), dim=-1)
        return torch.where(real[..., None], unit, 1e3 * torch.randn_like(unit))

    return layer, Case(3 * torch.randn(2, SENTENCE), vectors(mask), mask, vectors(negative_mask), negative_mask)


def _bounded_score(layer: MutualInformationScorer, sentence: list[float], boundary: list[float]) -> float:
    weight = layer.weight.double().tolist()
    form = sum(sentence[i] * weight[i][j] * boundary[j] for i in range(SENTENCE) for j in range(BOUNDARY))
    return 1.0 / (1.0 + math.exp(-form))


def _by_hand(layer: MutualInformationScorer, case: Case, row: int, kind: GlobalLoss) -> tuple[list[list[float]], float]:
    sentence = case.sentences[row].double().tolist()
    means, losses = [], []
    for place in range(case.sets.shape[1]):
        members = case.sets[row, place][case.mask[row, place]].double().tolist()
        negatives = case.negatives[row, place][case.negative_mask[row, place]].double().tolist()
        scores = [_bounded_score(layer, sentence, member) for member in members]
        rivals = [_bounded_score(layer, sentence, negative) for negative in negatives]
        shares = [math.exp(score) / sum(map(math.exp, scores)) for score in scores]
        means.append([sum(s * m[unit] for s, m in zip(shares, members, strict=True)) for unit in range(BOUNDARY)])
        if not members or not negatives:
            continue
        total = 0.0
        for score in scores:
            denominators = [*rivals, score] if kind == "infonce" else rivals
            total += score - math.log(sum(map(math.exp, denominators)))
        losses.append(-total / len(scores))
    return means, sum(losses) / len(losses) if losses else 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_means_and_losses_equal_their_formulas(kind: GlobalLoss) -> None:
    layer, case = _case()
    means, losses = case.outputs(layer, kind)
    for row in range(2):
        expected_means, expected_loss = _by_hand(layer, case, row, kind)
        torch.testing.assert_close(means[row], torch.tensor(expected_means), atol=1e-5, rtol=1e-5)
        assert losses[row].item() == pytest.approx(expected_loss, abs=1e-5)
        assert expected_loss > 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing(kind: GlobalLoss) -> None:
    layer, case = _case()
    means, losses = case.outputs(layer, kind)
    for row, length in enumerate((6, 3)):
        alone = Case(case.sentences[row : row + 1], *(part[row : row + 1, :length] for part in case[1:]))
        expected_means, expected_loss = alone.outputs(layer, kind)
        torch.testing.assert_close(means[row, :length], expected_means[0], atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(losses[row], expected_loss[0], atol=1e-6, rtol=1e-6)


def test_empty_set_gives_zero_and_one_member_gives_itself() -> None:
    layer, case = _case()
    means, _ = case.outputs(layer, "paper")
    sizes = case.mask.sum(-1)
    assert not means[sizes == 0].any()
    torch.testing.assert_close(means[sizes == 1], case.sets[:, :, 0][sizes == 1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hidden", ["sets", "negatives", "both"])
def test_empty_sets_or_negatives_give_zero_loss_and_finite_gradients(kind: GlobalLoss, hidden: str) -> None:
    layer, case = _case()
    if hidden != "negatives":
        case = case._replace(mask=torch.zeros_like(case.mask))
    if hidden != "sets":
        case = case._replace(negative_mask=torch.zeros_like(case.negative_mask))
    leaves = [part.requires_grad_() for part in (case.sentences, case.sets, case.negatives)]
    means, losses = case.outputs(layer, kind)
    assert losses.tolist() == [0.0, 0.0]
    (means.sum() + losses.sum()).backward()
    for tensor in (*leaves, *layer.parameters()):
        assert tensor.grad is not None and tensor.grad.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_only_compared_entries_get_gradients_and_a_step_separates_scores(kind: GlobalLoss) -> None:
    layer, case = _case()
    leaves = [case.sets.requires_grad_(), case.negatives.requires_grad_()]
    case.outputs(layer, kind)[1].sum().backward()
    counts = case.mask.any(-1, keepdim=True) & case.negative_mask.any(-1, keepdim=True)
    for leaf, mask in zip(leaves, (case.mask, case.negative_mask), strict=True):
        assert leaf.grad is not None
        assert torch.equal(leaf.grad.any(-1), mask & counts)
    scores, rivals = layer(case.sentences, case.sets), layer(case.sentences, case.negatives)
    before = scores[case.mask & counts].mean() - rivals[case.negative_mask & counts].mean()
    assert layer.weight.grad is not None
    with torch.no_grad():
        layer.weight.sub_(0.05 * layer.weight.grad)
    scores, rivals = layer(case.sentences, case.sets), layer(case.sentences, case.negatives)
    assert scores[case.mask & counts].mean() - rivals[case.negative_mask & counts].mean() > before


@pytest.mark.parametrize("length", [5.0, 20.0])
def test_scores_start_neither_flat_nor_saturated(length: float) -> None:
    torch.manual_seed(0)
    layer = MutualInformationScorer(sentence_width=384, boundary_width=100)
    unit = torch.nn.functional.normalize
    sentences = length * unit(torch.randn(20, 384), dim=-1)
    scores = layer(sentences, unit(torch.randn(20, 50, 8, 100), dim=-1))
    assert 0.05 < scores.std().item() < 0.3
    assert ((scores * (1 - scores)) > 0.1).float().mean() > 0.75


def test_scores_are_float32_even_under_autocast() -> None:
    layer, case = _case()
    plain = layer(case.sentences, case.sets)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(layer(case.sentences, case.sets), plain)


# --- negatives from the batch -----------------------------------------------------------------------------------------


class BatchCase(NamedTuple):
    """Three sentences whose sets share boundaries, and one without a set; padding holds row 0 and the vector 50."""

    sentences: Tensor
    rows: Tensor
    table: Tensor

    @property
    def sets(self) -> Tensor:
        vectors = self.table[self.rows]
        return torch.where(self.rows[..., None] > 0, vectors, torch.full_like(vectors, 50.0))

    def losses(self, layer: MutualInformationScorer) -> Tensor:
        sets = self.sets
        all_scores = layer.score_all(self.sentences, sets)
        return batch_contrastive_loss(layer(self.sentences, sets), all_scores, rows=self.rows)


def _batch_case() -> tuple[MutualInformationScorer, BatchCase]:
    torch.manual_seed(6)
    layer = MutualInformationScorer(sentence_width=SENTENCE, boundary_width=BOUNDARY, bounded=False)
    rows = [
        [[1, 2], [3, 0], [0, 0], [1, 0]],
        [[3, 4], [4, 5], [4, 0], [0, 0]],
        [[0, 0], [0, 0], [0, 0], [0, 0]],
        [[2, 6], [0, 0], [0, 0], [0, 0]],
    ]
    table = torch.nn.functional.normalize(torch.randn(7, BOUNDARY), dim=-1)
    return layer, BatchCase(3 * torch.randn(4, SENTENCE), torch.tensor(rows), table)


def _bilinear_form(layer: MutualInformationScorer, sentence: list[float], boundary: list[float]) -> float:
    weight = layer.weight.double().tolist()
    return sum(sentence[i] * weight[i][j] * boundary[j] for i in range(SENTENCE) for j in range(BOUNDARY))


def test_the_loss_over_a_batch_equals_its_formula() -> None:
    layer, case = _batch_case()
    vectors, rows = case.table.double().tolist(), case.rows.tolist()
    members = [[[row for row in group if row] for group in sentence] for sentence in rows]
    got = case.losses(layer)
    for number, sentence in enumerate(case.sentences.double().tolist()):
        own_rows = {row for group in members[number] for row in group}
        others = [row for other in members for group in other for row in group if other is not members[number]]
        rivals = [math.exp(_bilinear_form(layer, sentence, vectors[row])) for row in others if row not in own_rows]
        losses = []
        for group in filter(None, members[number]):
            scores = [_bilinear_form(layer, sentence, vectors[row]) for row in group]
            losses.append(sum(math.log(math.exp(score) + sum(rivals)) - score for score in scores) / len(scores))
        expected = sum(losses) / len(losses) if losses else 0.0
        assert got[number].item() == pytest.approx(expected, abs=1e-5)
    assert got[0] > 0.1 and got[2] == 0.0


def test_batch_of_one_sentence_has_zero_loss() -> None:
    layer, case = _batch_case()
    alone = case._replace(sentences=case.sentences[:1], rows=case.rows[:1])
    losses = alone.losses(layer)
    assert losses.tolist() == [0.0]
    losses.sum().backward()
    assert layer.weight.grad is not None and not layer.weight.grad.any()


def test_large_scores_neither_overflow_nor_lose_their_gradient() -> None:
    layer, case = _batch_case()
    scaled = case._replace(sentences=1e3 * case.sentences.requires_grad_())
    losses = scaled.losses(layer)
    assert losses.isfinite().all() and losses[0] > 10
    losses.sum().backward()
    assert case.sentences.grad is not None and case.sentences.grad.isfinite().all() and case.sentences.grad[0].any()


def test_unbounded_scores_weight_a_set_by_their_softmax() -> None:
    layer, case = _case()
    layer.bounded = False
    forms = layer(case.sentences, case.sets)
    means = weighted_mean(forms, case.sets, mask=case.mask, bounded=False)
    for row, sentence in enumerate(case.sentences.double().tolist()):
        for place in range(case.sets.shape[1]):
            members = case.sets[row, place][case.mask[row, place]].double().tolist()
            shares = [math.exp(_bilinear_form(layer, sentence, member)) for member in members]
            for unit in range(BOUNDARY):
                expected = sum(s * m[unit] for s, m in zip(shares, members, strict=True)) / (sum(shares) or 1.0)
                assert means[row, place, unit].item() == pytest.approx(expected, abs=1e-5)
    layer.bounded = True
    assert torch.equal(layer(case.sentences, case.sets), forms.sigmoid())
    assert layer(case.sentences, case.sets)[case.mask].std() < forms[case.mask].std()

"""The chain in float64 against an enumeration of all allowed tag sequences, independent of how sums are computed."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ssmi.model.network.layers.forward_backward import (
    Posterior,
    Predecessors,
    Transitions,
    best_path,
    log_partition,
    path_score,
)

EXACT = {"rtol": 1e-9, "atol": 1e-9}


@dataclass(frozen=True)
class Chain:
    """A batch of sentences with random scores, and the allowed transitions between tags."""

    emissions: Tensor
    mask: Tensor
    transitions: Transitions
    allowed: Tensor

    @property
    def lengths(self) -> list[int]:
        lengths: list[int] = self.mask.sum(0).tolist()
        return lengths

    def paths(self, sentence: int) -> Tensor:
        """Every allowed tag sequence of a sentence. Shape: (n_paths, length)."""
        n_tags = len(self.allowed)
        all_paths = torch.tensor(list(itertools.product(range(n_tags), repeat=self.lengths[sentence])))
        return all_paths[self.allowed[all_paths[:, :-1], all_paths[:, 1:]].all(1)]

    def scores(self, sentence: int) -> Tensor:
        """The score of each path in ``paths``, summed term by term."""
        paths = self.paths(sentence)
        total = self.transitions.start[paths[:, 0]] + self.transitions.end[paths[:, -1]]
        for step in range(paths.shape[1]):
            total = total + self.emissions[step, sentence, paths[:, step]]
        for step in range(1, paths.shape[1]):
            total = total + self.transitions.between[paths[:, step - 1], paths[:, step]]
        return total


@st.composite
def chains(draw: st.DrawFn, *, max_length: int = 5) -> Chain:
    """Up to 4 tags, each with a predecessor, and sentences of up to ``max_length`` characters."""
    n_tags = draw(st.integers(1, 4))
    lengths = draw(st.lists(st.integers(1, max_length), min_size=1, max_size=3))
    columns = st.lists(st.booleans(), min_size=n_tags, max_size=n_tags).filter(any)
    allowed = torch.tensor([draw(columns) for _ in range(n_tags)]).T
    generator = torch.Generator().manual_seed(draw(st.integers(0, 10_000)))
    spread = draw(st.sampled_from([0.1, 3.0, 60.0]))

    def scores(*shape: int) -> Tensor:
        return spread * torch.randn(shape, generator=generator, dtype=torch.float64)

    mask = torch.arange(max(lengths))[:, None] < torch.tensor(lengths)
    transitions = Transitions(scores(n_tags), scores(n_tags), scores(n_tags, n_tags))
    return Chain(scores(*mask.shape, n_tags), mask, transitions, allowed)


@settings(max_examples=60, deadline=None)
@given(chain=chains())
def test_log_partition_and_gradients_equal_enumeration(chain: Chain) -> None:
    inputs = [chain.emissions, *chain.transitions]
    for tensor in inputs:
        tensor.requires_grad_()
    predecessors = Predecessors(chain.allowed)
    partition = log_partition(chain.emissions, chain.mask, chain.transitions, predecessors)
    expected = torch.stack([chain.scores(sentence).logsumexp(0) for sentence in range(len(chain.lengths))])
    torch.testing.assert_close(partition, expected, **EXACT)
    weights = torch.linspace(-1.0, 2.0, len(expected), dtype=torch.float64)
    for gradient, expected_gradient in zip(
        torch.autograd.grad((weights * partition).sum(), inputs, allow_unused=True),
        torch.autograd.grad((weights * expected).sum(), inputs, allow_unused=True, materialize_grads=True),
        strict=True,
    ):
        assert gradient is not None
        torch.testing.assert_close(gradient, expected_gradient, **EXACT)


@settings(max_examples=40, deadline=None)
@given(chain=chains(max_length=4))
def test_marginals_equal_enumeration(chain: Chain) -> None:
    posterior = Posterior.of(chain.emissions, chain.mask, chain.transitions, Predecessors(chain.allowed))
    n_tags = len(chain.allowed)
    for sentence, length in enumerate(chain.lengths):
        paths, shares = chain.paths(sentence), chain.scores(sentence).softmax(0)
        for step in range(length):
            expected = torch.zeros(n_tags, dtype=torch.float64).index_add(0, paths[:, step], shares)
            torch.testing.assert_close(posterior.marginals[step, sentence], expected, **EXACT)
            if not step:
                continue
            for left, right in chain.allowed.nonzero().tolist():
                has_tag = paths[:, step] == right
                if float(shares[has_tag].sum()) < 1e-6:
                    continue  # given an event of negligible probability, the predecessor is undetermined
                before = posterior.before(
                    torch.tensor(left), torch.tensor(right), step=torch.tensor(step), sentence=torch.tensor(sentence)
                )
                both = shares[has_tag & (paths[:, step - 1] == left)].sum()
                torch.testing.assert_close(before, both / shares[has_tag].sum(), rtol=1e-6, atol=1e-6)
        for step in range(length, len(chain.mask)):  # padding repeats the marginals of the last character
            assert torch.equal(posterior.marginals[step, sentence], posterior.marginals[length - 1, sentence])


@settings(max_examples=40, deadline=None)
@given(chain=chains())
def test_path_score_is_the_sum_of_its_terms(chain: Chain) -> None:
    for sentence, length in enumerate(chain.lengths):
        paths = chain.paths(sentence)
        chosen = torch.randint(len(paths), (3,), generator=torch.Generator().manual_seed(0))
        for number in chosen.tolist():
            tag_ids = torch.zeros(chain.mask.shape, dtype=torch.long)
            tag_ids[:length, sentence] = paths[number]
            tag_ids[length:, sentence] = -100  # not read
            score = path_score(chain.emissions, chain.mask, chain.transitions, tag_ids)[sentence]
            torch.testing.assert_close(score, chain.scores(sentence)[number], **EXACT)


@settings(max_examples=60, deadline=None)
@given(chain=chains())
def test_best_path_has_the_highest_score(chain: Chain) -> None:
    """As in the CRF, ``best_path`` receives forbidden transitions as scores of -inf."""
    between = chain.transitions.between.masked_fill(~chain.allowed, -torch.inf)
    paths = best_path(chain.emissions, chain.mask, chain.transitions._replace(between=between))
    for sentence, length in enumerate(chain.lengths):
        path = paths[:length, sentence].tolist()
        (index,) = [number for number, candidate in enumerate(chain.paths(sentence).tolist()) if candidate == path]
        scores = chain.scores(sentence)
        assert float(scores[index]) == pytest.approx(float(scores.max()), rel=1e-12)


def test_gradients_match_finite_differences() -> None:
    """Check by finite differences, at scores of ordinary size."""
    torch.manual_seed(2)
    allowed = torch.tensor([[True, True, False], [True, False, True], [False, True, True]])
    mask = torch.arange(4)[:, None] < torch.tensor([4, 2, 1])
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in ((4, 3, 3), (3,), (3,), (3, 3))]
    predecessors = Predecessors(allowed)

    def loss(emissions: Tensor, start: Tensor, end: Tensor, between: Tensor) -> Tensor:
        return log_partition(emissions, mask, Transitions(start, end, between), predecessors)

    assert torch.autograd.gradcheck(loss, inputs)


def test_a_forbidden_transition_has_no_gradient_and_its_score_is_not_read() -> None:
    torch.manual_seed(4)
    allowed = torch.tensor([[True, False], [True, True]])
    mask = torch.ones(5, 2, dtype=torch.bool)
    emissions = torch.randn(5, 2, 2, dtype=torch.float64)
    start, end = torch.zeros(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    results = []
    for score in (0.0, 1e6, -1e6):
        between = torch.zeros(2, 2, dtype=torch.float64)
        between[0, 1] = score
        between.requires_grad_()
        total = log_partition(emissions, mask, Transitions(start, end, between), Predecessors(allowed))
        (gradient,) = torch.autograd.grad(total.sum(), between)
        assert gradient[0, 1] == 0.0 and float(gradient.sum()) == pytest.approx(8.0)  # 2 sentences, 4 transitions
        results.append((total.tolist(), gradient.tolist()))
    assert results[0] == results[1] == results[2]

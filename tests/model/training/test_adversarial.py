"""Adversarial perturbation of embeddings: against finite differences, and in training runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from ssmi.model.data.shards import open_shards
from ssmi.model.network import encoder as encoders
from ssmi.model.network.build import build
from ssmi.model.network.network import Network
from ssmi.model.training.adversarial import embeddings_of, perturbed
from ssmi.model.training.train import TrainResult, train
from ssmi.pipeline.contract.errors import ParameterError
from ssmi.pipeline.contract.progress import Silent

Make = Callable[..., Any]
STEP = 1e-6


class Tiny(nn.Module):
    """Embeddings, a nonlinearity and a sum, in float64: a loss whose gradient is not linear in the embeddings."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.words = nn.Parameter(torch.randn(7, 3, generator=generator, dtype=torch.float64))
        self.out = nn.Parameter(torch.randn(3, 2, generator=generator, dtype=torch.float64))

    def forward(self, token_ids: Tensor) -> Tensor:
        scores: Tensor = torch.tanh(self.words[token_ids] @ self.out)
        return (scores.prod(dim=-1) + scores.square().sum(dim=-1)).sum()


def _finite_gradient(function: Callable[[Tensor], float], at: Tensor) -> Tensor:
    """Central differences, one element at a time."""
    gradient = torch.zeros_like(at)
    for place in range(at.numel()):
        sides = []
        for sign in (1.0, -1.0):
            moved = at.clone()
            moved.view(-1)[place] += sign * STEP
            sides.append(function(moved))
        gradient.view(-1)[place] = (sides[0] - sides[1]) / (2 * STEP)
    return gradient


@pytest.mark.parametrize("epsilon", [0.01, 0.7, 5.0])
def test_gradient_is_the_sum_of_both_losses(epsilon: float) -> None:
    model, token_ids = Tiny(), torch.tensor([[1, 2, 2], [4, 1, 0]])
    model(token_ids).backward()
    with perturbed(model.words, epsilon=epsilon):
        model(token_ids).backward()

    def loss(words: Tensor, out: Tensor) -> float:
        scores = torch.tanh(words[token_ids] @ out)
        return float((scores.prod(dim=-1) + scores.square().sum(dim=-1)).sum())

    words, out = model.words.detach(), model.out.detach()
    plain = _finite_gradient(lambda values: loss(values, out), words)
    r = epsilon * plain / plain.norm()
    assert float(r.norm()) == pytest.approx(epsilon)
    expected_words = plain + _finite_gradient(lambda values: loss(values, out), words + r)
    expected_out = _finite_gradient(lambda values: loss(words, values), out)
    expected_out = expected_out + _finite_gradient(lambda values: loss(words + r, values), out)
    assert model.words.grad is not None and model.out.grad is not None
    torch.testing.assert_close(model.words.grad, expected_words, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(model.out.grad, expected_out, atol=1e-6, rtol=1e-5)


@given(epsilon=st.floats(1e-3, 100.0), scale=st.floats(1e-12, 1e12), seed=st.integers(0, 99))
def test_perturbation_has_length_epsilon_and_is_undone(epsilon: float, scale: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    words = nn.Parameter(torch.randn(9, 4, generator=generator))
    words.grad = torch.randn(9, 4, generator=generator) * scale
    words.grad[3] = 0.0
    before, gradient = words.detach().clone(), words.grad.clone()
    with perturbed(words, epsilon=epsilon):
        move = words.detach() - before
    assert float(move.double().norm()) == pytest.approx(epsilon, rel=1e-3, abs=1e-5)
    assert not move[3].any()  # a word that is not in the batch is not moved
    assert torch.equal(words.detach(), before) and torch.equal(words.grad, gradient)


def test_perturbation_increases_the_loss() -> None:
    model, token_ids = Tiny(), torch.tensor([[1, 2], [4, 1]])
    before = model(token_ids)
    before.backward()
    with perturbed(model.words, epsilon=1e-3):
        assert model(token_ids).detach() > before.detach()


@pytest.mark.parametrize("epsilon", [1.0, 1e6])
def test_zero_gradient_moves_nothing(epsilon: float) -> None:
    words = nn.Parameter(torch.randn(3, 2))
    words.grad = torch.zeros(3, 2)
    before = words.detach().clone()
    with perturbed(words, epsilon=epsilon):
        assert torch.equal(words.detach(), before)


def test_perturbation_is_undone_after_an_error() -> None:
    words = nn.Parameter(torch.ones(3, 2))
    words.grad = torch.ones(3, 2)
    with pytest.raises(ValueError, match="second pass"), perturbed(words, epsilon=1.0):
        raise ValueError("second pass")
    assert torch.equal(words.detach(), torch.ones(3, 2))


@pytest.fixture
def make_network(shards: Path, make_params: Make) -> Callable[..., Network]:
    def make(encoder: Path | None, **changes: Any) -> Network:
        opened = open_shards(shards)
        return build(
            make_params(**changes).model,
            labels=opened.labels,
            boundaries=opened.boundaries,
            encoder=None if encoder is None else encoders.load(encoder),
            hidden_width=None,
            n_tokens=opened.statistics.n_tokens,
        )

    return make


def test_embeddings_are_those_of_the_encoder_or_the_characters(
    make_network: Callable[..., Network], encoder_folder: Path
) -> None:
    network = make_network(encoder_folder)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    assert names[id(embeddings_of(network))] == "encoder.bert.embeddings.word_embeddings.weight"
    network = make_network(None, model__encoder="none")
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    assert names[id(embeddings_of(network))] == "characters.weight"


def test_every_encoder_type_has_word_embeddings(tmp_path: Path, write_typed_encoder: Make, encoder_type: str) -> None:
    write_typed_encoder(tmp_path / "e", encoder_type, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"北京大学生"])
    words = encoders.load(tmp_path / "e").words
    assert words.weight.requires_grad and len(words.weight) == 12


def _train(shards: Path, run: Path, params: Any, encoder: Path | None) -> TrainResult:
    return train(shards=shards, encoder=encoder, run=run, params=params, reporter=Silent())


@pytest.mark.parametrize("encoder", ["finetune", "none"])
@pytest.mark.parametrize("fusion", ["input", "none"])
def test_a_step_has_the_gradient_of_two_passes(
    shards: Path, tmp_path: Path, encoder_folder: Path, make_params: Make, encoder: str, fusion: str
) -> None:
    """As ε goes to zero, the second pass repeats the first; with a substantial ε it differs."""
    gradients: dict[float | None, list[Tensor]] = {}
    for epsilon in (None, 1e-9, 1.0):
        collected: list[list[Tensor]] = []

        def collect(optimizer: torch.optim.Optimizer, *_: Any, collected: list[list[Tensor]] = collected) -> None:
            grads = [parameter.grad for group in optimizer.param_groups for parameter in group["params"]]
            collected.append([grad.detach().clone() for grad in grads if grad is not None])

        handle = register_optimizer_step_pre_hook(collect)
        try:
            chosen: dict[str, Any] = {"model__encoder": encoder, "model__fusion": fusion, "model__dropout": 0.0}
            params = make_params(**chosen, train__fgm=epsilon, train__max_steps=1, train__clip=1e9)
            result = _train(shards, tmp_path / str(epsilon), params, encoder_folder)
        finally:
            handle.remove()
        (gradients[epsilon],) = collected
        assert len(result.step_losses) == 1
    for once, twice in zip(gradients[None], gradients[1e-9], strict=True):
        torch.testing.assert_close(2 * once, twice, atol=1e-4, rtol=1e-3)
    assert any(
        not torch.allclose(2 * once, more, atol=1e-3, rtol=1e-2)
        for once, more in zip(gradients[None], gradients[1.0], strict=True)
    )


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_training_learns_and_repeats(
    shards: Path, tmp_path: Path, encoder_folder: Path, make_params: Make, precision: str
) -> None:
    params = make_params(train__fgm=0.5, train__precision=precision, train__epochs=15, train__lr_new=3e-3)
    result = _train(shards, tmp_path / "run", params, encoder_folder)
    assert result.dev.overall.f1 == 1.0
    again = _train(shards, tmp_path / "again", params, encoder_folder)
    assert again.step_losses == result.step_losses


@pytest.mark.parametrize("encoder", ["frozen", "upper"])
def test_stored_states_are_refused(shards: Path, tmp_path: Path, make_params: Make, encoder: str) -> None:
    params = make_params(train__fgm=1.0, model__encoder=encoder, model__fusion="output")
    with pytest.raises(ParameterError, match=rf"train\.fgm: 1 .*model\.encoder: {encoder} reads none.*train\.fgm=null"):
        _train(shards, tmp_path / "run", params, None)
    assert not (tmp_path / "run").exists()

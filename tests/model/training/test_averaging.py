"""The average of the weights against a plain computation, alone and in training runs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch.optim.optimizer import register_optimizer_step_post_hook

from ssmi.model.data.shards import open_shards
from ssmi.model.network.build import build
from ssmi.model.network.network import Network
from ssmi.model.training import step as training_step
from ssmi.model.training.averaging import WeightAverage, decay_after
from ssmi.model.training.optimizer import build_optimizer
from ssmi.model.training.train import TrainResult, train
from ssmi.pipeline.contract.parameters.params import TrainParams
from ssmi.pipeline.contract.progress import Silent

Make = Callable[..., Any]
SMALL: dict[str, Any] = {
    "model__encoder": "none",
    "model__gmi": "none",
    **{f"model__{part}": False for part in ("can", "mlp1", "mlp2", "gru", "layer_norm", "biaffine")},
}


@pytest.fixture
def network(shards: Path, make_params: Make) -> Network:
    opened = open_shards(shards)
    return build(
        make_params(**SMALL).model,
        labels=opened.labels,
        boundaries=opened.boundaries,
        encoder=None,
        hidden_width=None,
        n_tokens=opened.statistics.n_tokens,
    )


@given(steps=st.integers(0, 10_000), limit=st.floats(0.0, 0.9999))
def test_the_decay_rises_to_its_limit(steps: int, limit: float) -> None:
    decay = decay_after(steps, limit=limit)
    assert 0.0 <= decay <= limit
    assert decay <= decay_after(steps + 1, limit=limit)
    assert decay_after(10 * int(1 / (1 - limit)), limit=limit) == limit


def test_first_decays_equal_hand_computed_values() -> None:
    decays = [decay_after(steps, limit=0.25) for steps in range(5)]
    assert decays == [0.0, 2 / 11, 0.25, 0.25, 0.25]


@pytest.mark.parametrize("decay", [0.0, 0.2, 0.99])
def test_average_equals_a_plain_computation(network: Network, decay: float) -> None:
    average = WeightAverage(network, decay=decay)
    random = np.random.default_rng(1)
    expected: dict[str, np.ndarray[Any, Any]] = {}
    for step in range(20):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.from_numpy(random.normal(size=tuple(parameter.shape))).float())
        average.update_parameters(network)
        keep = 0.0 if step == 0 else min(decay, (1 + step) / (10 + step))
        for name, parameter in network.named_parameters():
            now = parameter.detach().double().numpy()
            expected[name] = keep * expected.get(name, np.zeros(())) + (1 - keep) * now
    for name, parameter in average.network.named_parameters():
        np.testing.assert_allclose(parameter.detach().numpy(), expected[name], rtol=1e-4, atol=1e-5)
    if not decay:
        assert all(
            torch.equal(averaged, current)
            for averaged, current in zip(average.network.parameters(), network.parameters(), strict=True)
        )


def test_average_is_an_independent_network(network: Network) -> None:
    before = torch.get_rng_state()
    average = WeightAverage(network, decay=0.9)
    assert torch.equal(torch.get_rng_state(), before)
    average_before = copy.deepcopy(average.network.state_dict())
    assert network.tags is not None
    with torch.no_grad():
        network.tags.weight.zero_()
    assert all(torch.equal(tensor, average_before[name]) for name, tensor in average.network.state_dict().items())
    assert average.network.n_parameters == network.n_parameters


@pytest.fixture
def weights_after_each_step(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, torch.Tensor]]]:
    """Collects the trained weights by name after each step of the optimizer."""
    steps: list[dict[str, torch.Tensor]] = []
    trained: dict[str, torch.nn.Parameter] = {}

    def build_named(network: Network, params: TrainParams) -> torch.optim.AdamW:
        trained.update((name, each) for name, each in network.named_parameters() if each.requires_grad)
        return build_optimizer(network, params)

    def collect(*_: Any) -> None:
        steps.append({name: parameter.detach().double().clone() for name, parameter in trained.items()})

    monkeypatch.setattr(training_step, "build_optimizer", build_named)
    handle = register_optimizer_step_post_hook(collect)
    yield steps
    handle.remove()


def _train(shards: Path, run: Path, params: Any, encoder: Path | None = None) -> TrainResult:
    return train(shards=shards, encoder=encoder, run=run, params=params, reporter=Silent())


def test_run_saves_the_average_of_its_steps(
    shards: Path, tmp_path: Path, make_params: Make, weights_after_each_step: list[dict[str, torch.Tensor]]
) -> None:
    params = make_params(**SMALL, train__ema=0.7, train__epochs=1, train__batch_size=1, train__lr_new=0.1)
    _train(shards, tmp_path / "run", params)
    first, *others = weights_after_each_step
    assert len(others) == 9
    expected = first
    for step, weights in enumerate(others, start=1):
        keep = min(0.7, (1 + step) / (10 + step))
        expected = {name: keep * mean + (1 - keep) * weights[name] for name, mean in expected.items()}
    saved = load_file(tmp_path / "run" / "checkpoint" / "model.safetensors")
    for name, mean in expected.items():
        assert torch.allclose(saved[name].double(), mean, atol=1e-5), name
        # The average and the last weights differ measurably.
        assert not torch.allclose(mean, others[-1][name], atol=1e-5), name


def test_averaging_changes_scores_but_not_training(
    shards: Path, tmp_path: Path, encoder_folder: Path, make_params: Make
) -> None:
    results, weights = {}, {}
    for name, decay in {"off": None, "none": 0.0, "some": 0.99}.items():
        params = make_params(train__ema=decay, train__epochs=4, train__lr_new=3e-3)
        results[name] = _train(shards, tmp_path / name, params, encoder_folder)
        weights[name] = load_file(tmp_path / name / "checkpoint" / "model.safetensors")
    assert results["off"].step_losses == results["none"].step_losses == results["some"].step_losses
    # with a decay of 0 the average is the last step's weights
    assert results["off"].history == results["none"].history != results["some"].history
    assert all(torch.equal(tensor, weights["none"][name]) for name, tensor in weights["off"].items())
    assert not torch.equal(weights["off"]["tags.weight"], weights["some"]["tags.weight"])


def test_tested_weights_are_the_saved_ones(
    tmp_path: Path, write_shards: Make, sentences: list[Any], encoder_folder: Path, make_params: Make
) -> None:
    folder = write_shards(tmp_path / "s", {"train": sentences, "dev": sentences, "test": sentences})
    rates = {"train__lr_encoder": 3e-2, "train__warmup": 0.0, "train__clip": 100.0}
    for seed in range(20):  # with some seed the last epoch is not the best
        params = make_params(train__epochs=4, train__seed=seed, train__ema=0.5, **rates)
        result = _train(folder, tmp_path / "run", params, encoder_folder)
        assert result.test is not None and result.test.to_json() == result.dev.to_json()
        if result.best_epoch < 4:
            return
    pytest.fail("the last epoch was always the best")

"""How much of a training step is matrix products that its characters need: what an ideal step would take alone."""

from __future__ import annotations

import time
from collections import Counter

import torch
from torch import Tensor, nn

from ssmi.model.data.batches import Batch
from ssmi.model.network.network import Network

_PASSES = 3
"""A product forward and two back: for its input's gradient and for its weight's."""


def flops_of_layers(network: Network, *, n_characters: int) -> int:
    """Floating-point operations of all linear layers in a step, for these characters and no padding."""
    return sum(_PASSES * 2 * n_characters * a * b * count for (a, b), count in _shapes(network).items())


def flops_of_attention(network: Network, batch: Batch) -> int:
    """Of the attention's two products, Q K^T and weights by V, for every pair of characters of a window."""
    assert network.encoder is not None
    n_layers = int(network.encoder.bert.config.num_hidden_layers)
    pairs = int(batch.windows.lengths.square().sum())
    return _PASSES * 2 * 2 * pairs * network.encoder.width * n_layers


def seconds_of_products(network: Network, batch: Batch) -> float:
    """CPU time of this thread for the products alone, on plain matrices of these sizes.

    Those of the linear layers are computed; the attention's, a few per cent, are taken at the same rate.
    """
    n_characters = int(batch.mask.sum())
    seconds = sum(_seconds(n_characters, *shape) * count for shape, count in _shapes(network).items())
    linear = flops_of_layers(network, n_characters=n_characters)
    return seconds * (1 + flops_of_attention(network, batch) / linear)


def _shapes(network: Network) -> Counter[tuple[int, int]]:
    """Inputs and outputs of each linear layer."""
    layers = (part for part in network.modules() if isinstance(part, nn.Linear))
    return Counter((part.in_features, part.out_features) for part in layers)


def _seconds(n_rows: int, inputs: int, outputs: int) -> float:
    states, weight, gradient = torch.randn(n_rows, inputs), torch.randn(outputs, inputs), torch.randn(n_rows, outputs)
    _products(states, weight, gradient)  # so that no memory is taken from the system while it counts
    start = time.thread_time()
    _products(states, weight, gradient)
    return time.thread_time() - start


def _products(states: Tensor, weight: Tensor, gradient: Tensor) -> tuple[Tensor, ...]:
    return states @ weight.T, gradient @ weight, gradient.T @ states

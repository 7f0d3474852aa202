"""Share of a training step that is necessary matrix products: the time an ideal step would take."""

from __future__ import annotations

import time
from collections import Counter

import torch
from torch import Tensor, nn

from ssmi.model.data.batches import Batch
from ssmi.model.network.network import Network

_PASSES = 3
"""One product forward and two backward: for the gradients of the input and of the weight."""


def flops_of_layers(network: Network, *, n_characters: int) -> int:
    """Floating-point operations of all linear layers in a step, for ``n_characters`` characters without padding."""
    return sum(_PASSES * 2 * n_characters * a * b * count for (a, b), count in _shapes(network).items())


def flops_of_attention(network: Network, batch: Batch) -> int:
    """Floating-point operations of the attention's products, Q K^T and weights by V, over all pairs within a window."""
    assert network.encoder is not None
    n_layers = int(network.encoder.bert.config.num_hidden_layers)
    pairs = int(batch.windows.lengths.square().sum())
    return _PASSES * 2 * 2 * pairs * network.encoder.width * n_layers


def seconds_of_products(network: Network, batch: Batch) -> float:
    """CPU time of this thread for the products alone, on plain matrices of the same sizes.

    The products of the linear layers are computed; those of the attention, a few per cent, are assumed to run at the
    same rate.
    """
    n_characters = int(batch.mask.sum())
    seconds = sum(_seconds(n_characters, *shape) * count for shape, count in _shapes(network).items())
    linear = flops_of_layers(network, n_characters=n_characters)
    return seconds * (1 + flops_of_attention(network, batch) / linear)


def _shapes(network: Network) -> Counter[tuple[int, int]]:
    """Count the linear layers by their number of inputs and outputs."""
    layers = (part for part in network.modules() if isinstance(part, nn.Linear))
    return Counter((part.in_features, part.out_features) for part in layers)


def _seconds(n_rows: int, inputs: int, outputs: int) -> float:
    states, weight, gradient = torch.randn(n_rows, inputs), torch.randn(outputs, inputs), torch.randn(n_rows, outputs)
    _products(states, weight, gradient)  # so that no memory is requested from the system while the clock runs
    start = time.thread_time()
    _products(states, weight, gradient)
    return time.thread_time() - start


def _products(states: Tensor, weight: Tensor, gradient: Tensor) -> tuple[Tensor, ...]:
    return states @ weight.T, gradient @ weight, gradient.T @ states

"""The tensors of a state: the network's weights, their average, AdamW's moments, the random generators.

The name of a tensor is prefixed with its kind, and that of a generator also with the rank of its process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.optim import AdamW

_WEIGHT, _AVERAGE, _OPTIMIZER, _GENERATOR = "weight:", "average:", "optimizer:", "generator:"


def generator_states(device: torch.device) -> dict[str, Tensor]:
    """Return the states of the random generators used in training, by name. Shape of each: (bytes,), uint8."""
    states = {"cpu": torch.get_rng_state()}
    return states | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def collect(
    network: nn.Module, average: nn.Module | None, optimizer: AdamW, generators: Mapping[str, Sequence[Tensor]]
) -> dict[str, Tensor]:
    """Collect weights, their average, moments and generators under their names in the file."""
    tensors = {f"{_WEIGHT}{name}": tensor for name, tensor in network.state_dict().items()}
    if average is not None:
        tensors |= {f"{_AVERAGE}{name}": tensor for name, tensor in average.state_dict().items()}
    # torch.distributed.checkpoint.state_dict would name moments by parameter, but gives a parameter without a gradient
    # so far the moments of one step, with which a resumed run would not be bit-identical.
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"{_OPTIMIZER}{index}:{kind}": value for kind, value in moments.items()}
    for name, states in generators.items():
        tensors |= {f"{_GENERATOR}{rank}:{name}": generator for rank, generator in enumerate(states)}
    return tensors


def put_back(
    tensors: Mapping[str, Tensor], network: nn.Module, average: nn.Module | None, optimizer: AdamW, *, rank: int
) -> None:
    """Restore network, average, optimizer and this process's random generators from the result of ``collect``.

    Args:
        tensors: The result of ``collect``.
        network: The network, on its device.
        average: The average of the weights, if the run has one.
        optimizer: The optimizer of the network's parameters, with the same groups, whose rates are not changed.
        rank: Rank of this process. A process that is not in the tensors keeps its own generators.

    Raises:
        RuntimeError: The tensors are those of another network.
        ValueError: The tensors are those of another optimizer.

    """
    device = next(network.parameters()).device
    network.load_state_dict(_under(_WEIGHT, tensors))
    if average is not None:
        average.load_state_dict(_under(_AVERAGE, tensors))
    _restore_optimizer(optimizer, _under(_OPTIMIZER, tensors))
    generators = _under(f"{_GENERATOR}{rank}:", tensors)
    if "cpu" in generators:
        torch.set_rng_state(generators["cpu"])
    if device.type == "cuda" and "cuda" in generators:
        torch.cuda.set_rng_state(generators["cuda"], device)


def _restore_optimizer(optimizer: AdamW, tensors: Mapping[str, Tensor]) -> None:
    """Restore the moments. A parameter saved without moments has none afterwards."""
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, kind = name.partition(":")
        # A copy, because the tensors may be views of the file's content and AdamW writes into its moments.
        moments.setdefault(int(index), {})[kind] = tensor.clone()
    # The groups stay as built, because their rates follow from the schedule.
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names have a prefix, by the rest of their names."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

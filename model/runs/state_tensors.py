"""The tensors of a state: the network's weights, their average, AdamW's moments, the random generators.

Each has the kind of thing that it is of before its name. A generator's name has the rank of its process too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.optim import AdamW

_WEIGHT, _AVERAGE, _OPTIMIZER, _GENERATOR = "weight:", "average:", "optimizer:", "generator:"


def generator_states(device: torch.device) -> dict[str, Tensor]:
    """The states of the random generators that training draws from, by name. Shape of each: (bytes,), uint8."""
    states = {"cpu": torch.get_rng_state()}
    return states | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def collect(
    network: nn.Module, average: nn.Module | None, optimizer: AdamW, generators: Mapping[str, Sequence[Tensor]]
) -> dict[str, Tensor]:
    """Weights, their average, moments and generators under the names of the file."""
    tensors = {f"{_WEIGHT}{name}": tensor for name, tensor in network.state_dict().items()}
    if average is not None:
        tensors |= {f"{_AVERAGE}{name}": tensor for name, tensor in average.state_dict().items()}
    # torch.distributed.checkpoint.state_dict would name moments by parameter, but it gives a parameter that has had no
    # gradient yet moments of one step, and then a resumed run is not the same to the bit.
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"{_OPTIMIZER}{index}:{kind}": value for kind, value in moments.items()}
    for name, states in generators.items():
        tensors |= {f"{_GENERATOR}{rank}:{name}": generator for rank, generator in enumerate(states)}
    return tensors


def put_back(
    tensors: Mapping[str, Tensor], network: nn.Module, average: nn.Module | None, optimizer: AdamW, *, rank: int
) -> None:
    """Give network, average, optimizer and this process's random generators what ``collect`` took.

    Args:
        tensors: All that ``collect`` gave.
        network: On its device.
        average: The weights' average, where the run keeps one.
        optimizer: Of the network's parameters, in the same groups; the rates of the groups stay.
        rank: Of this process. One that the tensors do not know keeps its own generators.

    Raises:
        RuntimeError: The tensors are of another network.
        ValueError: They are of another optimizer.

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
    """Put the moments back. A parameter that had none when they were saved has none afterwards."""
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, kind = name.partition(":")
        # A copy: the file's tensors may be views of its memory map, and AdamW writes into its own.
        moments.setdefault(int(index), {})[kind] = tensor.clone()
    # The groups stay as they were built: their rates follow from the schedule.
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin so, by the rest of their names."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

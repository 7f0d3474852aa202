"""AdamW with a learning rate for each kind of part, and how the rates change over the steps."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from ssmi.pipeline.contract.parameters.params import TrainParams

# The fusion's map of characters starts as the identity before or after a pre-trained encoder: at the rate of new parts
# it would leave that at once and take the encoder's input with it, so it is tuned at the encoder's rate.
_PRETRAINED = ("encoder.", "fusion.characters.")
_CRF = "crf."
_BOUNDARIES = "boundary."


def build_optimizer(network: nn.Module, params: TrainParams) -> AdamW:
    """AdamW over all parameters that are trained.

    Groups differ in their learning rate (encoder, boundary vectors, CRF, everything else) and in weight decay, which
    only matrices get.

    Args:
        network: On its device.
        params: With numbers for rates, as ``encoder_defaults.resolve`` gives them.

    Returns:
        The optimizer; its groups are in the order in which the network first names their parameters.

    """
    # In the order of first use: a saved state knows a parameter's moments by its place in the groups.
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    tuned = any(name.startswith("encoder.") for name, _ in network.named_parameters())
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        # Biases and layer norms have one dimension. The CRF's transitions are scores, not weights of a sum. A step
        # uses few of the boundary vectors, and decay would shrink the others at every one.
        decayed = parameter.ndim > 1 and not name.startswith((_CRF, _BOUNDARIES))
        key = (_rate(name, params, tuned=tuned), params.weight_decay if decayed else 0.0)
        groups.setdefault(key, []).append(parameter)
    settings: list[dict[str, Any]] = [
        {"params": parameters, "lr": rate, "weight_decay": decay} for (rate, decay), parameters in groups.items()
    ]
    # One pass over each parameter: a step took 35 ms for 25 million, one tensor operation after another 131.
    return AdamW(settings, fused=True)


def _rate(name: str, params: TrainParams, *, tuned: bool) -> float:
    if tuned and name.startswith(_PRETRAINED):
        return float(params.lr_encoder)
    if name.startswith(_BOUNDARIES):
        return float(params.lr_boundaries)
    return float(params.lr_crf if name.startswith(_CRF) else params.lr_new)


def build_schedule(optimizer: AdamW, *, total: int, warmup: float) -> LambdaLR:
    """A linear rise, then a linear fall; no step gets rate 0.

    Args:
        optimizer: Its groups' rates are the peaks.
        total: Steps of the whole run.
        warmup: Share of them in which the rate rises.

    Returns:
        The schedule, to be stepped after every step of the optimizer.

    """
    n_rising = int(total * warmup)

    def factor(step: int) -> float:
        # One is added on either side, or the first step would be lost to rate 0.
        if step < n_rising:
            return (step + 1) / (n_rising + 1)
        return max(0.0, (total - step) / max(1, total - n_rising))

    return LambdaLR(optimizer, factor)

"""AdamW with a learning rate for each kind of part, and the learning rate schedule."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from ssmi.pipeline.contract.parameters.params import TrainParams

# The fusion's map of characters starts as the identity before or after a pre-trained encoder. At the rate of new parts
# it would leave the identity at once and distort the encoder's input, so it is tuned at the encoder's rate.
_PRETRAINED = ("encoder.", "fusion.characters.")
_CRF = "crf."
_BOUNDARIES = "boundary."


def build_optimizer(network: nn.Module, params: TrainParams) -> AdamW:
    """Build AdamW over all trainable parameters.

    Parameter groups differ in learning rate (encoder, boundary vectors, CRF, everything else) and in weight decay,
    which applies to matrices only.

    Args:
        network: The network, on its device.
        params: The parameters with numeric learning rates, as returned by ``encoder_defaults.resolve``.

    Returns:
        The optimizer, with its groups in the order in which the network first names their parameters.

    """
    # In order of first use, because a saved state identifies a parameter's moments by its place in the groups.
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    tuned = any(name.startswith("encoder.") for name, _ in network.named_parameters())
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        # Biases and layer norms have one dimension. The CRF's transitions are scores, not weights of a sum. A step uses
        # few of the boundary vectors, and decay would shrink all the others at every step.
        decayed = parameter.ndim > 1 and not name.startswith((_CRF, _BOUNDARIES))
        key = (_rate(name, params, tuned=tuned), params.weight_decay if decayed else 0.0)
        groups.setdefault(key, []).append(parameter)
    settings: list[dict[str, Any]] = [
        {"params": parameters, "lr": rate, "weight_decay": decay} for (rate, decay), parameters in groups.items()
    ]
    # One pass over each parameter: a step took 35 ms for 25 million parameters, and 131 ms without fusing.
    return AdamW(settings, fused=True)


def _rate(name: str, params: TrainParams, *, tuned: bool) -> float:
    if tuned and name.startswith(_PRETRAINED):
        return float(params.lr_encoder)
    if name.startswith(_BOUNDARIES):
        return float(params.lr_boundaries)
    return float(params.lr_crf if name.startswith(_CRF) else params.lr_new)


def build_schedule(optimizer: AdamW, *, total: int, warmup: float) -> LambdaLR:
    """Build a schedule that rises linearly, then falls linearly; no step gets rate 0.

    Args:
        optimizer: The optimizer, whose groups' rates are the peak rates.
        total: Number of steps of the whole run.
        warmup: Share of the steps in which the rate rises.

    Returns:
        The schedule, to be stepped after every step of the optimizer.

    """
    n_rising = int(total * warmup)

    def factor(step: int) -> float:
        # One is added to both, because the first step would have rate 0 otherwise.
        if step < n_rising:
            return (step + 1) / (n_rising + 1)
        return max(0.0, (total - step) / max(1, total - n_rising))

    return LambdaLR(optimizer, factor)

"""AdamW with a learning rate for each kind of part, and its course over the steps."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from ssmi.pipeline.contract.params import TrainParams

# Fusion's characters' half starts as the identity behind or before a pre-trained BERT: it is tuned at BERT's pace.
_PRETRAINED = ("encoder.", "fusion.characters.")
_CRF = "crf."
_BOUNDARIES = "boundary."


def build_optimizer(network: nn.Module, params: TrainParams) -> AdamW:
    """Groups by learning rate (encoder, boundary vectors, CRF, all else); weight decay on matrices only, and neither on
    the CRF nor on the boundary vectors, of which a step meets but a few.

    params: with numbers for rates, as ``rates.resolve`` gives them.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    tuned = any(name.startswith("encoder.") for name, _ in network.named_parameters())
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        # Biases and layer norms have one dimension.
        decayed = parameter.ndim > 1 and not name.startswith((_CRF, _BOUNDARIES))
        key = (_rate(name, params, tuned=tuned), params.weight_decay if decayed else 0.0)
        groups.setdefault(key, []).append(parameter)
    settings: list[dict[str, Any]] = [
        {"params": parameters, "lr": rate, "weight_decay": decay} for (rate, decay), parameters in groups.items()
    ]
    return AdamW(settings, fused=True)


def _rate(name: str, params: TrainParams, *, tuned: bool) -> float:
    if tuned and name.startswith(_PRETRAINED):
        return float(params.lr_encoder)
    if name.startswith(_BOUNDARIES):
        return float(params.lr_boundaries)
    return float(params.lr_crf if name.startswith(_CRF) else params.lr_new)


def build_schedule(optimizer: AdamW, *, total: int, warmup: float) -> LambdaLR:
    """Rise linearly over the first ``warmup`` share of ``total`` steps, then fall linearly; no step gets rate 0."""
    rising = int(total * warmup)

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        return max(0.0, (total - step) / max(1, total - rising))

    return LambdaLR(optimizer, factor)

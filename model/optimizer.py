"""AdamW with three learning rates, and their course over the steps."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from pipeline.contract.params import TrainParams

# Fusion's characters' half starts as the identity behind or before a pre-trained BERT: it is tuned at BERT's pace.
_PRETRAINED = ("encoder.", "fusion.characters.")
_CRF = "crf."


def build_optimizer(network: nn.Module, params: TrainParams) -> AdamW:
    """Groups by learning rate (encoder, new, CRF); weight decay on matrices only, and never on the CRF."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        decayed = parameter.ndim > 1 and not name.startswith(_CRF)  # biases and layer norms have one dimension
        key = (_rate(name, params), params.weight_decay if decayed else 0.0)
        groups.setdefault(key, []).append(parameter)
    settings: list[dict[str, Any]] = [
        {"params": parameters, "lr": rate, "weight_decay": decay} for (rate, decay), parameters in groups.items()
    ]
    return AdamW(settings, fused=True)


def _rate(name: str, params: TrainParams) -> float:
    if name.startswith(_PRETRAINED):
        return params.lr_encoder
    return params.lr_crf if name.startswith(_CRF) else params.lr_new


def build_schedule(optimizer: AdamW, *, total: int, warmup: float) -> LambdaLR:
    """Rise linearly over the first ``warmup`` share of ``total`` steps, then fall linearly; no step gets rate 0."""
    rising = int(total * warmup)

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        return max(0.0, (total - step) / max(1, total - rising))

    return LambdaLR(optimizer, factor)

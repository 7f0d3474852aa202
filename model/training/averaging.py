"""A moving average of the weights (EMA): what is scored and kept with ``train.ema``, beside what is trained.

After step t the average moves towards the trained weights (Polyak & Juditsky 1992, with exponential weights)::

    average ← d_t · average + (1 - d_t) · weights        d_t = min(decay, (1 + t) / (10 + t)),  d_0 = 0

d_t rises to its place, or a run of a few hundred steps would still hold the weights that it began with; this is the
warm-up of ``tf.train.ExponentialMovingAverage``.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from ssmi.model.network.network import Network

_Tensors = tuple[Tensor, ...] | list[Tensor]


class WeightAverage(AveragedModel):
    """A second network on the same device, whose weights follow those of the trained one.

    It draws from no random generator and takes part in no exchange: processes with the same weights come to the same
    average. Its ``state_dict`` holds the average and the number of steps in it.
    """

    def __init__(self, network: Network, *, decay: float) -> None:
        """``network``: on its device already. ``decay``: largest share of the average that a step keeps, below 1."""

        @torch.no_grad()
        def move(averages: _Tensors, weights: _Tensors, steps: Tensor | int) -> None:
            # Not torch's get_ema_multi_avg_fn, whose decay is the same at every step.
            torch._foreach_lerp_(averages, weights, 1.0 - decay_after(int(steps), limit=decay))

        # The first step's weights are copied as they are: d_0 = 0.
        super().__init__(network, multi_avg_fn=move)

    @property
    def network(self) -> Network:
        """The network with the averaged weights."""
        return cast("Network", self.module)


def decay_after(steps: int, *, limit: float) -> float:
    """The share of the average that the next step keeps.

    Args:
        steps: How many are in the average already.
        limit: ``train.ema``.

    Returns:
        From 0 to ``limit``.

    """
    # The formula gives 0.1 at step 0, where AveragedModel copies and does not ask: 0 says what it does.
    return min(limit, (1 + steps) / (10 + steps)) if steps else 0.0

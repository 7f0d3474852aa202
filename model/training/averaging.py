"""A moving average of the weights (EMA), which is scored and saved instead of the trained weights (``train.ema``).

After step t the average moves towards the trained weights (Polyak & Juditsky 1992, with exponential weights)::

    average ← d_t · average + (1 - d_t) · weights        d_t = min(decay, (1 + t) / (10 + t)),  d_0 = 0

d_t grows up to ``decay``; with a constant decay, the average of a run of a few hundred steps would still contain much
of the initial weights. This is the warm-up of ``tf.train.ExponentialMovingAverage``.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from ssmi.model.network.network import Network

_Tensors = tuple[Tensor, ...] | list[Tensor]


class WeightAverage(AveragedModel):
    """A copy of the network on the same device, whose weights are the moving average of the trained weights.

    It draws from no random generator and exchanges nothing between processes: processes with the same weights compute
    the same average. Its ``state_dict`` holds the average and the number of steps in it.
    """

    def __init__(self, network: Network, *, decay: float) -> None:
        """Copy the network.

        Args:
            network: The network to average, already on its device.
            decay: Largest share of the average that a step keeps, below 1.

        """

        @torch.no_grad()
        def move(averages: _Tensors, weights: _Tensors, steps: Tensor | int) -> None:
            # Not torch's get_ema_multi_avg_fn, whose decay is constant.
            torch._foreach_lerp_(averages, weights, 1.0 - decay_after(int(steps), limit=decay))

        # The first step copies the weights unchanged: d_0 = 0.
        super().__init__(network, multi_avg_fn=move)

    @property
    def network(self) -> Network:
        """The network with the averaged weights."""
        return cast("Network", self.module)


def decay_after(steps: int, *, limit: float) -> float:
    """Return the share of the average that the next step keeps.

    Args:
        steps: Number of steps already in the average.
        limit: ``train.ema``.

    Returns:
        The share, from 0 to ``limit``.

    """
    # The formula gives 0.1 at step 0, where AveragedModel copies the weights without calling this: 0 states that copy.
    return min(limit, (1 + steps) / (10 + steps)) if steps else 0.0

"""One step of training: forward, backward, clipping, update; and all that a step changes."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from ssmi.model import hardware
from ssmi.model.data.batches import Batch
from ssmi.model.network.network import Network
from ssmi.model.runs.state import SavedState
from ssmi.model.training.adversarial import embeddings_of, perturbed
from ssmi.model.training.averaging import WeightAverage
from ssmi.model.training.context import TrainContext
from ssmi.model.training.optimizer import build_optimizer, build_schedule
from ssmi.pipeline.contract.errors import DivergedError


class Learner:
    """A network in training, with all that a step changes.

    Attributes:
        network: The one that is trained.
        optimizer: Of its parameters.
        schedule: Of the optimizer's learning rates, stepped with it.
        average: The average of its weights; None without ``train.ema``.

    """

    def __init__(self, network: Network, context: TrainContext, *, n_steps: int) -> None:
        """``network``: on its device already, for the optimizer takes its parameters. ``n_steps``: of the whole run."""
        settings = context.params.train
        self._context = context
        self.network = network
        self._module = context.workers.wrap(network)
        self.optimizer = build_optimizer(network, settings)
        self.schedule = build_schedule(self.optimizer, total=n_steps, warmup=settings.warmup)
        self._trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self.average = None if settings.ema is None else WeightAverage(network, decay=settings.ema)

    @property
    def scored(self) -> Network:
        """The network that is scored and kept: the one that is trained, or with ``train.ema`` its average."""
        return self.network if self.average is None else self.average.network

    def restore(self, saved: SavedState) -> None:
        """Go on from where a state was saved, this process with its own random generator.

        Raises:
            StaleArtifactError: The state is not whole, or not what the network needs.

        """
        rank = self._context.workers.rank
        saved.restore(self.network, self.optimizer, self.schedule, rank=rank, average=self.average)

    def begin_epoch(self) -> None:
        """Switch dropout on: scoring leaves the network in evaluation mode."""
        self._module.train()

    def step(self, batch: Batch, *, n_rows: int, weight: float, where: str) -> tuple[float, bool]:
        """One update with this process's share of a batch.

        Args:
            batch: The share.
            n_rows: Sentences of the whole batch.
            weight: Of the share's losses, as ``WorkerGroup.shard`` gives it.
            where: What an error names: the epoch and the step.

        Returns:
            The sum of the whole batch's losses, and whether any process got a signal to stop.

        Raises:
            DivergedError: The loss or the gradient is not a finite number; no weight has changed.

        """
        settings, workers = self._context.params.train, self._context.workers
        self.optimizer.zero_grad()
        # DistributedDataParallel averages the processes' gradients: times their number, that is the gradient of the
        # whole batch's mean loss, however unevenly its sentences are shared out.
        scale = weight * workers.world_size / n_rows
        losses = self._backward(batch, scale=scale)
        if settings.fgm is not None:
            with perturbed(embeddings_of(self.network), epsilon=settings.fgm):
                self._backward(batch, scale=scale)  # with dropout drawn anew; what is told is the loss without r
        # The gradients are those of the whole batch by now, so that all processes clip by the same norm.
        norm = float(clip_grad_norm_(self._trained, settings.clip))
        # One exchange for both: all processes stop after the same step, whichever of them got the signal.
        loss, stop = workers.all_reduce(weight * float(losses.sum()), self._context.interrupts.seen)
        # Before the step, so that no weight becomes NaN. All processes have the same numbers: all raise, or none.
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise DivergedError(
                f"{where}: loss {loss / n_rows}, gradient norm {norm}",
                next_step="lower -S train.lr_encoder, or try -S train.precision=fp32",
            )
        self.optimizer.step()
        self.schedule.step()
        if self.average is not None:
            self.average.update_parameters(self.network)
        return loss, bool(stop)

    def _backward(self, batch: Batch, *, scale: float) -> Tensor:
        """Add the gradient of the sum of a batch's losses times ``scale``; returns the losses. Shape: (batch,)."""
        with hardware.autocast(self._context.workers.device, self._context.params.train.precision):
            losses: Tensor = self._module(batch)  # wrapped: its backward pass exchanges gradients as they are ready
        # Outside autocast: the backward pass computes in the types that the forward pass chose.
        (losses.sum() * scale).backward()
        return losses.detach()

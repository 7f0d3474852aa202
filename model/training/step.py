"""A training step (forward, backward, clipping, update) and the state that it changes."""

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

_AFTER_DIVERGENCE = "lower -S train.lr_encoder, or try -S train.precision=fp32"


class Learner:
    """A network in training, with everything that a step changes.

    Attributes:
        network: The trained network.
        optimizer: The optimizer of its parameters.
        schedule: The schedule of the optimizer's learning rates, stepped with the optimizer.
        average: The average of the weights; None without ``train.ema``.

    """

    def __init__(self, network: Network, context: TrainContext, *, n_steps: int) -> None:
        """Build the optimizer, its schedule and the average.

        Args:
            network: The network, already on its device, because the optimizer refers to its parameters.
            context: The context of the training.
            n_steps: Number of steps of the whole run.

        """
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
        """The network that is scored and saved: the trained one, or its average with ``train.ema``."""
        return self.network if self.average is None else self.average.network

    def restore(self, saved: SavedState) -> None:
        """Restore a saved state, with the random generators of this process.

        Raises:
            StaleArtifactError: The state is damaged or does not fit the network.

        """
        rank = self._context.workers.rank
        saved.restore(self.network, self.optimizer, self.schedule, rank=rank, average=self.average)

    def begin_epoch(self) -> None:
        """Switch to training mode, because scoring leaves the network in evaluation mode."""
        self._module.train()

    def step(self, batch: Batch, *, n_rows: int, weight: float, where: str) -> tuple[float, bool]:
        """Make one update with this process's share of a batch.

        Args:
            batch: The share of this process.
            n_rows: Number of sentences in the whole batch.
            weight: Weight of the share's losses, as returned by ``WorkerGroup.shard``.
            where: The epoch and step, named in errors.

        Returns:
            The sum of the whole batch's losses, and whether any process received a signal to stop.

        Raises:
            DivergedError: The loss or the gradient norm is not finite; no weight has changed.

        """
        settings, workers = self._context.params.train, self._context.workers
        self.optimizer.zero_grad()
        # DistributedDataParallel averages the gradients of the processes. Times their number, this is the gradient of
        # the mean loss of the whole batch, however unevenly its sentences are distributed.
        scale = weight * workers.world_size / n_rows
        losses = self._backward(batch, scale=scale)
        if settings.fgm is not None:
            with perturbed(embeddings_of(self.network), epsilon=settings.fgm):
                self._backward(batch, scale=scale)  # draws new dropout; the reported loss is the one without r
        # The gradients are those of the whole batch here, so all processes clip by the same norm.
        norm = float(clip_grad_norm_(self._trained, settings.clip))
        # One exchange for both: all processes stop after the same step, whichever received the signal.
        loss, stop = workers.all_reduce(weight * float(losses.sum()), self._context.interrupts.seen)
        # Before the step, so that no weight becomes NaN. All processes have the same numbers, so all raise or none.
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise DivergedError(
                f"{where}: loss {loss / n_rows}, gradient norm {norm}",
                next_step=_AFTER_DIVERGENCE,
            )
        self.optimizer.step()
        self.schedule.step()
        if self.average is not None:
            self.average.update_parameters(self.network)
        return loss, bool(stop)

    def check_weights(self, *, where: str) -> None:
        """Check that the last step left finite weights, which the loss of a next step would show.

        Raises:
            DivergedError: A weight is not finite; ``where`` is named in the error.

        """
        if not all(bool(parameter.isfinite().all()) for parameter in self._trained):
            raise DivergedError(f"{where}: weights that are not finite numbers", next_step=_AFTER_DIVERGENCE)

    def _backward(self, batch: Batch, *, scale: float) -> Tensor:
        """Accumulate the gradient of ``scale`` times the sum of losses, and return the losses. Shape: (batch,)."""
        with hardware.autocast(self._context.workers.device, self._context.params.train.precision):
            losses: Tensor = self._module(batch)  # wrapped: its backward pass exchanges gradients as they become ready
        # Outside autocast, because the backward pass uses the types that the forward pass chose.
        (losses.sum() * scale).backward()
        return losses.detach()

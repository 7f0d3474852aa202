"""The loop: steps and epochs, and a run folder that at every moment can be used and resumed.

At the end of an epoch the state is written first, then what a person reads: the checkpoint, if the epoch is the best so
far, and history.csv. If the process ends in between, resuming writes the rest.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

from pydantic import TypeAdapter
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from ssmi.model import hardware
from ssmi.model.data.batches import Batch
from ssmi.model.data.boundaries import Ids
from ssmi.model.data.shards import Shards
from ssmi.model.data.split import Split
from ssmi.model.data.training_data import TrainingData
from ssmi.model.evaluation.scoring import Scores, score
from ssmi.model.network.network import Network
from ssmi.model.runs import checkpoint as checkpoints
from ssmi.model.runs import checkpoint_files
from ssmi.model.runs import history as histories
from ssmi.model.runs import state as states
from ssmi.model.runs.checkpoint_files import CheckpointMetadata
from ssmi.model.runs.files import CHECKPOINT, COUNTS, HEADLINE, HISTORY, METRICS, RESULT_FILES, report_name
from ssmi.model.runs.fingerprint import fingerprint_of
from ssmi.model.runs.history import EpochRecord
from ssmi.model.runs.state import SavedState, TrainState
from ssmi.model.split_tagging import predict
from ssmi.model.training.adversarial import embeddings_of, perturbed
from ssmi.model.training.averaging import WeightAverage
from ssmi.model.training.distributed import WorkerGroup
from ssmi.model.training.interrupts import Interrupted, Interrupts, Stopped
from ssmi.model.training.optimizer import build_optimizer, build_schedule
from ssmi.pipeline.contract.errors import DivergedError, StaleArtifactError
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.contract.parameters.params import Params, TrainParams
from ssmi.pipeline.contract.parquet.tables import SPLITS
from ssmi.pipeline.contract.progress import Reporter


@dataclass(slots=True)
class Timing:
    """Where the time of the training steps went; scoring and writing are not in it."""

    seconds: float = 0.0
    waiting_seconds: float = 0.0
    """Part of them: waiting for batches that were not gathered, or not on the device, in time."""


@dataclass(frozen=True, slots=True)
class TrainContext:
    """What a training works with, beside the network.

    Attributes:
        shards: What it trains on.
        params: With numbers where learning rates were ``auto``.
        run: The run folder.
        reporter: Told of progress; silent in all processes but the first.
        workers: The processes that train together.
        interrupts: Ctrl-C, SIGTERM and SIGHUP.

    """

    shards: Shards
    params: Params
    run: Path
    reporter: Reporter
    workers: WorkerGroup
    interrupts: Interrupts


_SCORES = TypeAdapter(Scores)
"""Between processes, as text."""


class Trainer:
    """A run in progress.

    Attributes:
        step_losses: The mean loss of each step that this process computed.
        timing: Of the same steps.
        spans: The predictions of the last call of ``score``, in the first process.
        best_epoch: The epoch that is kept (``train.select``) since the run was started or resumed; 0 for none.
        best_spans: Its predictions on dev.

    """

    def __init__(self, network: Network, data: TrainingData, context: TrainContext) -> None:
        """``network``: on its device already, for the optimizer takes its parameters."""
        settings = context.params.train
        self._context = context
        self._network = network
        self._data = data
        self._steps_of_epochs = _steps_of_epochs(data, settings)
        self._module = context.workers.wrap(network)
        self._optimizer = build_optimizer(network, settings)
        self._schedule = build_schedule(self._optimizer, total=sum(self._steps_of_epochs), warmup=settings.warmup)
        self._trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._average = None if settings.ema is None else WeightAverage(network, decay=settings.ema)
        self._state = TrainState()
        self.step_losses: list[float] = []
        self.timing = Timing()
        self.spans: Sequence[Sequence[Span]] = ()
        self.best_epoch = 0
        self.best_spans: Sequence[Sequence[Span]] = ()

    @property
    def scored(self) -> Network:
        """The network that is scored and kept: the one that is trained, or with ``train.ema`` its average."""
        return self._network if self._average is None else self._average.network

    def resume(self, saved: SavedState) -> None:
        """Go on from a state that was checked already.

        Raises:
            StaleArtifactError: The state, or the checkpoint that goes with it, is not whole.
            MissingResourceError: There is no checkpoint.

        """
        workers = self._context.workers
        saved.restore(self._network, self._optimizer, self._schedule, rank=workers.rank, average=self._average)
        self._state = state = saved.state
        self._context.reporter.note(f"going on {self._where()}")
        if not state.history or not workers.is_main:
            return
        if state.step == 0:
            self._publish()  # the process may have ended after the state was written and before the rest was
        best = self._chosen()
        folder = self._context.run / CHECKPOINT
        metadata = checkpoint_files.read_metadata(folder)
        # Asked now: only after the last epoch would this checkpoint be read, and the training would be lost.
        if (metadata.best_epoch, metadata.shards) != (best.epoch, self._context.shards.digest):
            raise StaleArtifactError(
                f"{folder}: of epoch {metadata.best_epoch} of another run, not of epoch {best.epoch} of the unfinished "
                "one",
                next_step="train again without --resume",
            )

    def fit(self, dev_split: Split) -> Sequence[EpochRecord]:
        """Train all epochs that are left, or as many as ``train.patience`` allows.

        The checkpoint of the best epoch is on disk afterwards.

        Args:
            dev_split: Scored after each epoch.

        Returns:
            All epochs of the run, those before it was resumed too.

        Raises:
            Interrupted: After Ctrl-C, SIGTERM or SIGHUP, with everything saved.
            DivergedError: A loss or gradient is not a finite number.

        """
        # No epoch is left where the state lies after the last one: then only the test is.
        for epoch in range(self._state.epoch, len(self._steps_of_epochs) + 1):
            # Before an epoch and not after it, so that a run is stopped also when it is resumed at this point.
            if self._out_of_patience():
                break
            loss = self._epoch(epoch)
            dev = self.score(dev_split, "dev")
            record = EpochRecord(epoch, loss, dev)
            self._state = TrainState(epoch + 1, history=(*self._state.history, record))
            if self._chosen() == record:
                # Kept, so that the counts of its sentences need no second pass over dev.
                self.best_epoch, self.best_spans = epoch, self.spans
            self._save_state()
            if self._context.workers.is_main:
                self._publish()
            self._context.reporter.note(f"epoch {epoch}: loss {loss:.4f}, dev F1 {100 * dev.overall.f1:.2f}")
        return self._state.history

    def _chosen(self) -> EpochRecord:
        """The epoch that is kept, of those that are done."""
        return histories.chosen(self._state.history, select=self._context.params.train.select)

    def _out_of_patience(self) -> bool:
        """Whether the last ``train.patience`` epochs brought no better dev F1; says so."""
        patience, history = self._context.params.train.patience, self._state.history
        # Within an epoch (step > 0) the answer was no before it began, and nothing new is known since.
        if patience is None or self._state.step or not history:
            return False
        best = histories.best(history)
        if history[-1].epoch - best.epoch < patience:
            return False
        self._context.reporter.note(
            f"stopped after epoch {history[-1].epoch} of {len(self._steps_of_epochs)}: no better dev F1 than epoch "
            f"{best.epoch}'s in {patience} epoch{'s' if patience > 1 else ''} (train.patience)"
        )
        return True

    def score(self, split: Split, title: str) -> Scores:
        """Score ``scored`` as it is.

        The first process scores and tells the others, so that all decide alike which epoch is the best.

        Raises:
            Interrupted: After Ctrl-C, SIGTERM or SIGHUP, with everything saved.

        """
        context = self._context
        # Stays empty after a signal: the others wait for a text, whatever happens here.
        answer = ""
        if context.workers.is_main:
            try:
                predicted = predict(
                    self.scored,
                    split,
                    labels=context.shards.labels,
                    precision=context.params.train.precision,
                    reporter=context.interrupts.watch(context.reporter),
                    title=title,
                )
                self.spans = predicted.spans
                scores = score(
                    split.gold,
                    predicted.spans,
                    groups=context.shards.statistics.label_groups,
                    ill_formed=predicted.ill_formed,
                )
                answer = _SCORES.dump_json(scores).decode()
            except Stopped:
                pass
        answer = context.workers.broadcast(answer)
        if not answer:
            raise self._interrupted()
        return _SCORES.validate_json(answer)

    def _epoch(self, epoch: int) -> float:
        """Train on every sentence once, or on those that the state leaves; returns the epoch's mean loss."""
        data, start, seed = self._data, self._state.step, self._context.params.train.seed
        batches = _batches(data, self._context.params.train, epoch)[: self._steps_of_epochs[epoch - 1]]
        # Of whole batches and not of a share: the first process reports for all.
        characters = [int(data.lengths[rows].sum()) for rows in batches]
        # In every epoch, for scoring leaves the network in evaluation mode.
        self._module.train()
        began = time.perf_counter()
        title = f"epoch {epoch}/{len(self._steps_of_epochs)}"
        shares = [self._context.workers.shard(rows) for rows in batches[start:]]
        prefetched = data.collated(
            [share for share, _ in shares], seed=seed, epoch=epoch, device=self._context.workers.device
        )
        with (
            closing(prefetched),  # its thread ends with it, also after an error
            self._context.reporter.task(title, total=sum(characters), unit="characters") as advance,
        ):
            advance(sum(characters[:start]))
            for step, (rows, (_, weight)) in enumerate(zip(batches[start:], shares, strict=True), start=start + 1):
                waiting_since = time.perf_counter()
                batch = next(prefetched)
                self.timing.waiting_seconds += time.perf_counter() - waiting_since
                loss, stop = self._step(epoch, step, batch, n_rows=len(rows), weight=weight)
                # Kept up to date at every step: it is what a signal makes the run save.
                self._state = replace(self._state, step=step, loss=self._state.loss + loss)
                self.step_losses.append(loss / len(rows))
                advance(characters[step - 1])
                if stop:
                    raise self._interrupted()
        self.timing.seconds += time.perf_counter() - began
        return self._state.loss / sum(map(len, batches))

    def _step(self, epoch: int, step: int, batch: Batch, *, n_rows: int, weight: float) -> tuple[float, bool]:
        """One update with this process's share of a batch of ``n_rows`` sentences; ``weight``: as ``shard`` says.

        Returns the sum of the whole batch's losses, and whether any process got a signal to stop.
        """
        settings, workers = self._context.params.train, self._context.workers
        self._optimizer.zero_grad()
        # DistributedDataParallel averages the processes' gradients: times their number, that is the gradient of the
        # whole batch's mean loss, however unevenly its sentences are shared out.
        scale = weight * workers.world_size / n_rows
        losses = self._backward(batch, scale=scale)
        if settings.fgm is not None:
            with perturbed(embeddings_of(self._network), epsilon=settings.fgm):
                self._backward(batch, scale=scale)  # with dropout drawn anew; what is told is the loss without r
        # The gradients are those of the whole batch by now, so that all processes clip by the same norm.
        norm = float(clip_grad_norm_(self._trained, settings.clip))
        # One exchange for both: all processes stop after the same step, whichever of them got the signal.
        loss, stop = workers.all_reduce(weight * float(losses.sum()), self._context.interrupts.seen)
        # Before the step, so that no weight becomes NaN. All processes have the same numbers: all raise, or none.
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise DivergedError(
                f"epoch {epoch}, step {step}: loss {loss / n_rows}, gradient norm {norm}",
                next_step="lower -S train.lr_encoder, or try -S train.precision=fp32",
            )
        self._optimizer.step()
        self._schedule.step()
        if self._average is not None:
            self._average.update_parameters(self._network)
        return loss, bool(stop)

    def _backward(self, batch: Batch, *, scale: float) -> Tensor:
        """Add the gradient of the sum of a batch's losses times ``scale``; returns the losses. Shape: (batch,)."""
        with hardware.autocast(self._context.workers.device, self._context.params.train.precision):
            losses: Tensor = self._module(batch)  # wrapped: its backward pass exchanges gradients as they are ready
        # Outside autocast: the backward pass computes in the types that the forward pass chose.
        (losses.sum() * scale).backward()
        return losses.detach()

    def _interrupted(self) -> Interrupted:
        """Save what is needed to resume the run, and to use it as it is; returns what to raise."""
        run, state = self._context.run, self._state
        self._save_state()
        # A finished run in this folder stays whole until this one has finished an epoch.
        if self._context.workers.is_main and not state.history and not (run / METRICS).exists():
            _remove_results(run)
            self._save_checkpoint(epoch=0)
            histories.write(run / HISTORY, [])
        return Interrupted(f"stopped {self._where()}; {run} holds all that is needed to go on")

    def _where(self) -> str:
        epoch, step = self._state.epoch, self._state.step
        if epoch > len(self._steps_of_epochs):
            return "after the last epoch, before the test"
        return (
            f"in epoch {epoch} of {len(self._steps_of_epochs)}, after step {step} of {self._steps_of_epochs[epoch - 1]}"
        )

    def _save_state(self) -> None:
        context = self._context
        # In every process: each one draws other dropout, and has to go on with its own generator.
        generators = {
            name: context.workers.gather(generator)
            for name, generator in states.generator_states(context.workers.device).items()
        }
        if context.workers.is_main:
            states.save(
                context.run,
                state=self._state,
                network=self._network,
                average=self._average,
                optimizer=self._optimizer,
                schedule=self._schedule,
                generators=generators,
                params=context.params,
                shards=context.shards,
            )

    def _publish(self) -> None:
        """Write what a person reads of the last epoch."""
        run, history = self._context.run, self._state.history
        _remove_results(run)
        if self._chosen() == history[-1]:
            self._save_checkpoint(epoch=history[-1].epoch)
        histories.write(run / HISTORY, history)

    def _save_checkpoint(self, *, epoch: int) -> None:
        shards, params = self._context.shards, self._context.params
        metadata = CheckpointMetadata(
            shards=shards.digest,
            vocabulary_digest=shards.statistics.vocabulary_digest,
            encoder_digest=shards.statistics.encoder_digest,
            n_parameters=self.scored.n_parameters,
            best_epoch=epoch,
            fingerprint=fingerprint_of(params, shards=shards),
        )
        checkpoints.save(
            self._context.run / CHECKPOINT,
            network=self.scored,
            params=params,
            shards=shards,
            metadata=metadata,
        )


def _remove_results(run: Path) -> None:
    """Remove the scores and the report pages of the checkpoint that is about to be replaced.

    Before the new one is written, so that at no moment do they stand beside weights that they are not of.
    """
    for path in (run / METRICS, run / RESULT_FILES, run / HEADLINE, *(run / report_name(split) for split in SPLITS)):
        path.unlink(missing_ok=True)
    shutil.rmtree(run / COUNTS, ignore_errors=True)


def _batches(data: TrainingData, settings: TrainParams, epoch: int) -> list[Ids]:
    return data.batches(batch_size=settings.batch_size, seed=settings.seed, epoch=epoch)


def _steps_of_epochs(data: TrainingData, settings: TrainParams) -> list[int]:
    """The number of steps of each epoch; ``max_steps`` cuts the last one short."""
    # Counted, not divided: which sentences share a batch changes from epoch to epoch, and long ones take more batches.
    counts = [len(_batches(data, settings, epoch)) for epoch in range(1, settings.epochs + 1)]
    if settings.max_steps is None:
        return counts
    left = [settings.max_steps - before for before in accumulate(counts[:-1], initial=0)]
    return [min(count, rest) for count, rest in zip(counts, left, strict=True) if rest > 0]

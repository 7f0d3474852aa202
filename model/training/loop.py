"""The training loop: epochs and their steps, scoring after each epoch, and early stopping."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from ssmi.model.data.boundaries import Ids
from ssmi.model.data.split import Split
from ssmi.model.data.training_data import TrainingData
from ssmi.model.network.network import Network
from ssmi.model.runs.results import history as histories
from ssmi.model.runs.results.history import EpochRecord
from ssmi.model.runs.state import SavedState, TrainState
from ssmi.model.training.context import TrainContext
from ssmi.model.training.evaluate import Evaluation, evaluate
from ssmi.model.training.interrupts import Interrupted
from ssmi.model.training.saving import RunWriter
from ssmi.model.training.step import Learner
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.contract.parameters.params import TrainParams


@dataclass(slots=True)
class Timing:
    """Time spent on training steps, without scoring and writing."""

    seconds: float = 0.0
    waiting_seconds: float = 0.0
    """The part of ``seconds`` spent waiting for batches to be gathered and moved to the device."""


class Trainer:
    """A run in progress.

    Attributes:
        step_losses: The mean loss of each step since the run was started or resumed.
        timing: The time spent on these steps.
        best_epoch: The epoch selected by ``train.select`` since the run was started or resumed; 0 for none.
        best_spans: The predictions of that epoch on dev; empty in all processes except the first.

    """

    def __init__(self, network: Network, data: TrainingData, context: TrainContext) -> None:
        """Set up a run; ``network`` must be on its device already, because the optimizer refers to its parameters."""
        self._context = context
        self._data = data
        self._steps_of_epochs = _steps_of_epochs(data, context)
        self._learner = Learner(network, context, n_steps=sum(self._steps_of_epochs))
        self._writer = RunWriter(context, self._learner)
        self._state = TrainState()
        self.step_losses: list[float] = []
        self.timing = Timing()
        self.best_epoch = 0
        self.best_spans: Sequence[Sequence[Span]] = ()

    @property
    def scored(self) -> Network:
        """The network that is scored and saved: the trained one, or its average with ``train.ema``."""
        return self._learner.scored

    def resume(self, saved: SavedState) -> None:
        """Continue from a saved state, whose fingerprint has been checked.

        Raises:
            StaleArtifactError: The state is damaged, or its checkpoint is damaged or from another run.
            MissingResourceError: There is no checkpoint.

        """
        self._learner.restore(saved)
        self._state = saved.state
        self._context.reporter.note(f"resuming {self._where()}")
        self._writer.catch_up(saved.state)

    def fit(self, dev_split: Split) -> Sequence[EpochRecord]:
        """Train the remaining epochs, or as many as ``train.patience`` allows.

        The checkpoint of the selected epoch is on disk afterwards.

        Args:
            dev_split: The split to score after each epoch.

        Returns:
            All epochs of the run, including those before it was resumed.

        Raises:
            Interrupted: After Ctrl-C, SIGTERM or SIGHUP, with everything saved.
            DivergedError: A loss, gradient norm or weight is not finite.

        """
        # A state saved after the last epoch leaves no epoch, only scoring on test.
        for epoch in range(self._state.epoch, len(self._steps_of_epochs) + 1):
            # Checked before an epoch, not after it, so that a run resumed at this point stops as well.
            if self._out_of_patience():
                break
            loss = self._epoch(epoch)
            dev = self.score(dev_split, "dev")
            record = EpochRecord(epoch, loss, dev.scores)
            history = (*self._state.history, record)
            self._state = TrainState(epoch + 1, history=history)
            if histories.chosen(history, select=self._context.params.train.select) == record:
                # Kept, so that counting its sentences needs no second pass over dev.
                self.best_epoch, self.best_spans = epoch, dev.spans
            self._writer.save_state(self._state)
            self._writer.publish(history)
            self._context.reporter.note(f"epoch {epoch}: loss {loss:.4f}, dev F1 {100 * dev.scores.overall.f1:.2f}")
        return self._state.history

    def _out_of_patience(self) -> bool:
        """Return whether the last ``train.patience`` epochs did not improve dev F1, and report it if so."""
        patience, history = self._context.params.train.patience, self._state.history
        # Within an epoch (step > 0) the check passed before the epoch began, and nothing has been scored since.
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

    def score(self, split: Split, title: str) -> Evaluation:
        """Score the network ``scored`` on a split; all processes get the same scores.

        Raises:
            Interrupted: After Ctrl-C, SIGTERM or SIGHUP, with everything saved.

        """
        evaluation = evaluate(self.scored, split, self._context, title=title)
        if evaluation is None:
            raise self._interrupted()
        return evaluation

    def _epoch(self, epoch: int) -> float:
        """Train on the remaining batches of an epoch and return the epoch's mean loss per sentence."""
        data, start, seed = self._data, self._state.step, self._context.params.train.seed
        batches = _batches(data, self._context.params.train, epoch)[: self._steps_of_epochs[epoch - 1]]
        # Of whole batches, not of this process's share, because the first process reports for all.
        characters = [int(data.lengths[rows].sum()) for rows in batches]
        self._learner.begin_epoch()
        began = time.perf_counter()
        title = f"epoch {epoch}/{len(self._steps_of_epochs)}"
        shares = [self._context.workers.shard(rows) for rows in batches[start:]]
        prefetched = data.collated(
            [share for share, _ in shares], seed=seed, epoch=epoch, device=self._context.workers.device
        )
        with (
            closing(prefetched),  # ends its thread, also after an error
            self._context.reporter.task(title, total=sum(characters), unit="characters") as advance,
        ):
            advance(sum(characters[:start]))
            for step, (rows, (_, weight)) in enumerate(zip(batches[start:], shares, strict=True), start=start + 1):
                waiting_since = time.perf_counter()
                batch = next(prefetched)
                self.timing.waiting_seconds += time.perf_counter() - waiting_since
                where = f"epoch {epoch}, step {step}"
                loss, stop = self._learner.step(batch, n_rows=len(rows), weight=weight, where=where)
                # Updated at every step, because this state is saved after a signal.
                self._state = replace(self._state, step=step, loss=self._state.loss + loss)
                self.step_losses.append(loss / len(rows))
                advance(characters[step - 1])
                if stop:
                    raise self._interrupted()
        self._learner.check_weights(where=f"epoch {epoch}")
        self.timing.seconds += time.perf_counter() - began
        return self._state.loss / sum(map(len, batches))

    def _interrupted(self) -> Interrupted:
        """Save the run and return the exception to raise."""
        self._writer.save_stopped(self._state)
        return Interrupted(f"stopped {self._where()}; {self._context.run} holds everything needed to resume")

    def _where(self) -> str:
        epoch, step = self._state.epoch, self._state.step
        if epoch > len(self._steps_of_epochs):
            return "after the last epoch, before the test"
        return (
            f"in epoch {epoch} of {len(self._steps_of_epochs)}, after step {step} of {self._steps_of_epochs[epoch - 1]}"
        )


def _batches(data: TrainingData, settings: TrainParams, epoch: int) -> list[Ids]:
    return data.batches(batch_size=settings.batch_size, seed=settings.seed, epoch=epoch)


def _steps_of_epochs(data: TrainingData, context: TrainContext) -> list[int]:
    """Return the number of steps of each epoch; ``max_steps`` ends the last epoch early.

    Raises:
        KeyboardInterrupt: A signal asked to stop; nothing is trained yet, so there is nothing to save.

    """
    settings = context.params.train
    left = sys.maxsize if settings.max_steps is None else settings.max_steps
    counts: list[int] = []
    with context.reporter.task("counting steps", total=settings.epochs, unit="epochs") as advance:
        while left and len(counts) < settings.epochs:
            if context.interrupts.seen:
                raise KeyboardInterrupt
            # Counted, not divided: batches are composed anew for each epoch, and long sentences need more of them.
            counts.append(min(left, len(_batches(data, settings, len(counts) + 1))))
            left -= counts[-1]
            advance(1)
    return counts

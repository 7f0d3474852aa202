"""The loop: epochs and their steps, the score after each, and when it ends."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import accumulate

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
    """Where the time of the training steps went; scoring and writing are not in it."""

    seconds: float = 0.0
    waiting_seconds: float = 0.0
    """Part of them: waiting for batches that were not gathered, or not on the device, in time."""


class Trainer:
    """A run in progress.

    Attributes:
        step_losses: The mean loss of each step that this process computed.
        timing: Of the same steps.
        best_epoch: The epoch that is kept (``train.select``) since the run was started or resumed; 0 for none.
        best_spans: Its predictions on dev, in the first process.

    """

    def __init__(self, network: Network, data: TrainingData, context: TrainContext) -> None:
        """``network``: on its device already, for the optimizer takes its parameters."""
        self._context = context
        self._data = data
        self._steps_of_epochs = _steps_of_epochs(data, context.params.train)
        self._learner = Learner(network, context, n_steps=sum(self._steps_of_epochs))
        self._writer = RunWriter(context, self._learner)
        self._state = TrainState()
        self.step_losses: list[float] = []
        self.timing = Timing()
        self.best_epoch = 0
        self.best_spans: Sequence[Sequence[Span]] = ()

    @property
    def scored(self) -> Network:
        """The network that is scored and kept: the one that is trained, or with ``train.ema`` its average."""
        return self._learner.scored

    def resume(self, saved: SavedState) -> None:
        """Go on from a state that was checked already.

        Raises:
            StaleArtifactError: The state, or the checkpoint that goes with it, is not whole.
            MissingResourceError: There is no checkpoint.

        """
        self._learner.restore(saved)
        self._state = saved.state
        self._context.reporter.note(f"going on {self._where()}")
        self._writer.catch_up(saved.state)

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
            record = EpochRecord(epoch, loss, dev.scores)
            history = (*self._state.history, record)
            self._state = TrainState(epoch + 1, history=history)
            if histories.chosen(history, select=self._context.params.train.select) == record:
                # Kept, so that the counts of its sentences need no second pass over dev.
                self.best_epoch, self.best_spans = epoch, dev.spans
            self._writer.save_state(self._state)
            self._writer.publish(history)
            self._context.reporter.note(f"epoch {epoch}: loss {loss:.4f}, dev F1 {100 * dev.scores.overall.f1:.2f}")
        return self._state.history

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

    def score(self, split: Split, title: str) -> Evaluation:
        """Score ``scored`` as it is, with the same scores in all processes.

        Raises:
            Interrupted: After Ctrl-C, SIGTERM or SIGHUP, with everything saved.

        """
        evaluation = evaluate(self.scored, split, self._context, title=title)
        if evaluation is None:
            raise self._interrupted()
        return evaluation

    def _epoch(self, epoch: int) -> float:
        """Train on every sentence once, or on those that the state leaves; returns the epoch's mean loss."""
        data, start, seed = self._data, self._state.step, self._context.params.train.seed
        batches = _batches(data, self._context.params.train, epoch)[: self._steps_of_epochs[epoch - 1]]
        # Of whole batches and not of a share: the first process reports for all.
        characters = [int(data.lengths[rows].sum()) for rows in batches]
        self._learner.begin_epoch()
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
                where = f"epoch {epoch}, step {step}"
                loss, stop = self._learner.step(batch, n_rows=len(rows), weight=weight, where=where)
                # Kept up to date at every step: it is what a signal makes the run save.
                self._state = replace(self._state, step=step, loss=self._state.loss + loss)
                self.step_losses.append(loss / len(rows))
                advance(characters[step - 1])
                if stop:
                    raise self._interrupted()
        self.timing.seconds += time.perf_counter() - began
        return self._state.loss / sum(map(len, batches))

    def _interrupted(self) -> Interrupted:
        """Save the run as it is; returns what to raise."""
        self._writer.save_stopped(self._state)
        return Interrupted(f"stopped {self._where()}; {self._context.run} holds all that is needed to go on")

    def _where(self) -> str:
        epoch, step = self._state.epoch, self._state.step
        if epoch > len(self._steps_of_epochs):
            return "after the last epoch, before the test"
        return (
            f"in epoch {epoch} of {len(self._steps_of_epochs)}, after step {step} of {self._steps_of_epochs[epoch - 1]}"
        )


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

"""The loop: steps, epochs, and a run folder that at every moment holds a run that can be used and gone on with.

At the end of an epoch the state is written first, then what a person reads: the checkpoint, if the epoch is the best so
far, and history.csv. Whatever is cut off behind the state is written again when the run goes on.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from ssmi.model import hardware
from ssmi.model.data.batches import Batch, prefetch, training_batches
from ssmi.model.data.boundaries import Ids
from ssmi.model.data.shards import Shards, Split
from ssmi.model.evaluate import predict
from ssmi.model.evaluation.scoring import Scores, score
from ssmi.model.network.network import Network
from ssmi.model.runs import checkpoint as checkpoints
from ssmi.model.runs import history as histories
from ssmi.model.runs import state as states
from ssmi.model.runs.files import CHECKPOINT, COUNTS, HEADLINE, HISTORY, METRICS
from ssmi.model.runs.fingerprint import fingerprint_of
from ssmi.model.runs.history import EpochRecord
from ssmi.model.runs.state import SavedState, TrainState
from ssmi.model.training.distributed import ProcessGroup
from ssmi.model.training.interrupts import Interrupted, Interrupts, Stopped
from ssmi.model.training.optimizer import build_optimizer, build_schedule
from ssmi.pipeline.contract.errors import DivergedError, StaleArtifactError
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.contract.params import Params, TrainParams
from ssmi.pipeline.contract.progress import Reporter


@dataclass(slots=True)
class Timing:
    """Where the time of the training steps went; scoring and writing are not in it."""

    seconds: float = 0.0
    waiting_seconds: float = 0.0
    """For batches that were not gathered, or not on the device, in time."""


@dataclass(frozen=True, slots=True)
class TrainContext:
    """Where, on what and with whom a run trains."""

    shards: Shards
    params: Params
    run: Path
    reporter: Reporter
    processes: ProcessGroup
    interrupts: Interrupts


class Trainer:
    """A run under way.

    network: on its device already.
    step_losses: the mean loss of each step that this process saw; timing: of the same steps.
    spans: what was predicted when a split was last scored, in the first process.
    best_epoch, best_spans: the best epoch that this process saw (0: none), and what it predicted on dev.
    """

    def __init__(self, network: Network, train_split: Split, job: TrainContext) -> None:
        settings = job.params.train
        self._job = job
        self._network = network
        self._split = train_split
        self._plan = _plan(train_split, settings)
        self._called = job.processes.wrap(network)
        self._optimizer = build_optimizer(network, settings)
        self._schedule = build_schedule(self._optimizer, total=sum(self._plan), warmup=settings.warmup)
        self._trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._position = TrainState()
        self.step_losses: list[float] = []
        self.timing = Timing()
        self.spans: Sequence[Sequence[Span]] = ()
        self.best_epoch = 0
        self.best_spans: Sequence[Sequence[Span]] = ()

    def resume(self, unfinished: SavedState) -> None:
        """Go on from a state, already checked.

        Raises StaleArtifactError or MissingResourceError when it or the checkpoint that goes with it is not whole.
        """
        processes = self._job.processes
        unfinished.restore(self._network, self._optimizer, self._schedule, rank=processes.rank)
        self._position = position = unfinished.position
        self._job.reporter.note(f"going on {self._where()}")
        if not position.history or not processes.is_main:
            return
        if position.step == 0:
            self._publish()  # the process may have ended between the state and what is shown of it
        best = histories.best(position.history)
        folder = self._job.run / CHECKPOINT
        facts = checkpoints.read_metadata(folder)
        if (facts.best_epoch, facts.shards) != (best.epoch, self._job.shards.digest):
            raise StaleArtifactError(
                f"{folder}: of epoch {facts.best_epoch} of some run, not of epoch {best.epoch} of the unfinished one",
                next_step="train anew without --resume",
            )

    def fit(self, dev_split: Split) -> Sequence[EpochRecord]:
        """All epochs that are left, or as many as ``train.patience`` allows. Raises Interrupted.

        The best one's checkpoint is on disk afterwards.
        """
        for epoch in range(self._position.epoch, len(self._plan) + 1):
            if self._out_of_patience():
                break
            loss = self._epoch(epoch)
            dev = self.score(dev_split, "dev")
            record = EpochRecord(epoch, loss, dev)
            self._position = TrainState(epoch + 1, history=(*self._position.history, record))
            if histories.best(self._position.history) == record:
                self.best_epoch, self.best_spans = epoch, self.spans
            self._save_state()
            if self._job.processes.is_main:
                self._publish()
            self._job.reporter.note(f"epoch {epoch}: loss {loss:.4f}, dev F1 {100 * dev.overall.f1:.2f}")
        return self._position.history

    def _out_of_patience(self) -> bool:
        """Whether the last ``train.patience`` epochs brought no better dev F1; says so."""
        patience, history = self._job.params.train.patience, self._position.history
        if patience is None or self._position.step or not history:
            return False
        best = histories.best(history)
        if history[-1].epoch - best.epoch < patience:
            return False
        self._job.reporter.note(
            f"stopped after epoch {history[-1].epoch} of {len(self._plan)}: no better dev F1 than epoch {best.epoch}'s "
            f"in {patience} epoch{'s' if patience > 1 else ''} (train.patience)"
        )
        return True

    def score(self, split: Split, title: str) -> Scores:
        """Score the network as it is, in the first process, for all of them. Raises Interrupted."""
        job = self._job
        answer = ""
        if job.processes.is_main:
            try:
                predicted = predict(
                    self._network,
                    split,
                    labels=job.shards.labels,
                    precision=job.params.train.precision,
                    reporter=job.interrupts.watch(job.reporter),
                    title=title,
                )
                self.spans = predicted.spans
                scores = score(
                    split.gold,
                    predicted.spans,
                    groups=job.shards.statistics.label_groups,
                    ill_formed=predicted.ill_formed,
                )
                answer = json.dumps(scores.to_json())
            except Stopped:
                pass
        answer = job.processes.broadcast(answer)
        if not answer:
            raise self._interrupted()
        return Scores.from_json(json.loads(answer))

    def _epoch(self, epoch: int) -> float:
        """Train on every sentence once, or on those that the position leaves; returns the epoch's mean loss."""
        split, start = self._split, self._position.step
        batches = _batches(split, self._job.params.train, epoch)[: self._plan[epoch - 1]]
        characters = [int(split.lengths[rows].sum()) for rows in batches]
        self._called.train()
        began = time.perf_counter()
        title = f"epoch {epoch}/{len(self._plan)}"
        shares = [self._job.processes.shard(rows) for rows in batches[start:]]
        coming = prefetch(split, [own for own, _ in shares], device=self._job.processes.device)
        with (
            closing(coming),
            self._job.reporter.task(title, total=sum(characters), unit="characters") as advance,
        ):
            advance(sum(characters[:start]))
            for step, (rows, (_, weight)) in enumerate(zip(batches[start:], shares, strict=True), start=start + 1):
                asked = time.perf_counter()
                batch = next(coming)
                self.timing.waiting_seconds += time.perf_counter() - asked
                loss, stop = self._step(epoch, step, batch, n_rows=len(rows), weight=weight)
                self._position = replace(self._position, step=step, loss=self._position.loss + loss)
                self.step_losses.append(loss / len(rows))
                advance(characters[step - 1])
                if stop:
                    raise self._interrupted()
        self.timing.seconds += time.perf_counter() - began
        return self._position.loss / sum(map(len, batches))

    def _step(self, epoch: int, step: int, batch: Batch, *, n_rows: int, weight: float) -> tuple[float, bool]:
        """One update with this process's share of a batch of ``n_rows`` sentences; ``weight``: as ``shard`` says.

        Returns the sum of the whole batch's losses, and whether any process was asked to stop.
        """
        settings, processes = self._job.params.train, self._job.processes
        with hardware.autocast(processes.device, settings.precision):
            losses: Tensor = self._called(batch)
        self._optimizer.zero_grad()
        # Processes average their gradients: times their number, that is the gradient of the whole batch's mean loss.
        (losses.sum() * (weight * processes.world / n_rows)).backward()
        norm = float(clip_grad_norm_(self._trained, settings.clip))
        loss, stop = processes.all_reduce(weight * float(losses.detach().sum()), self._job.interrupts.seen)
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise DivergedError(
                f"epoch {epoch}, step {step}: loss {loss / n_rows}, gradient norm {norm}",
                next_step="lower -S train.lr_encoder, or try -S train.precision=fp32",
            )
        self._optimizer.step()
        self._schedule.step()
        return loss, bool(stop)

    def _interrupted(self) -> Interrupted:
        """Save what is needed to go on, and to use what there is; returns what to raise."""
        run, position = self._job.run, self._position
        self._save_state()
        # A finished run in this place stays whole until this one has an epoch to show.
        if self._job.processes.is_main and not position.history and not (run / METRICS).exists():
            self._save_checkpoint(epoch=0)
            histories.write(run / HISTORY, [])
        return Interrupted(f"stopped {self._where()}; {run} holds all that is needed to go on")

    def _where(self) -> str:
        epoch, step = self._position.epoch, self._position.step
        if epoch > len(self._plan):
            return "behind the last epoch, before the test"
        return f"in epoch {epoch} of {len(self._plan)}, after step {step} of {self._plan[epoch - 1]}"

    def _save_state(self) -> None:
        job = self._job
        generators = {
            name: job.processes.gather(state) for name, state in states.generator_states(job.processes.device).items()
        }
        if job.processes.is_main:
            states.save(
                job.run,
                position=self._position,
                network=self._network,
                optimizer=self._optimizer,
                schedule=self._schedule,
                generators=generators,
                params=job.params,
                shards=job.shards,
            )

    def _publish(self) -> None:
        """Show in the run folder what the state holds; the metrics of a run before are not this run's."""
        run, history = self._job.run, self._position.history
        for name in (METRICS, HEADLINE):
            (run / name).unlink(missing_ok=True)
        shutil.rmtree(run / COUNTS, ignore_errors=True)
        if histories.best(history) == history[-1]:
            self._save_checkpoint(epoch=history[-1].epoch)
        histories.write(run / HISTORY, history)

    def _save_checkpoint(self, *, epoch: int) -> None:
        shards, params = self._job.shards, self._job.params
        facts = checkpoints.CheckpointMetadata(
            shards=shards.digest,
            vocabulary_digest=shards.statistics.vocabulary_digest,
            encoder_digest=shards.statistics.encoder_digest,
            n_parameters=self._network.n_parameters,
            best_epoch=epoch,
            fingerprint=fingerprint_of(params, shards=shards),
        )
        checkpoints.save(
            self._job.run / CHECKPOINT,
            network=self._network,
            params=params,
            shards=shards,
            facts=facts,
        )


def _batches(split: Split, settings: TrainParams, epoch: int) -> list[Ids]:
    return training_batches(split.lengths, batch_size=settings.batch_size, seed=settings.seed, epoch=epoch)


def _plan(split: Split, settings: TrainParams) -> list[int]:
    """The steps of each epoch; those behind ``max_steps`` are cut off."""
    counts = [len(_batches(split, settings, epoch)) for epoch in range(1, settings.epochs + 1)]
    if settings.max_steps is None:
        return counts
    left = [settings.max_steps - before for before in accumulate(counts[:-1], initial=0)]
    return [min(count, rest) for count, rest in zip(counts, left, strict=True) if rest > 0]

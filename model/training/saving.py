"""Writing of a run folder during training, such that the run can be used and resumed at any moment.

At the end of an epoch the state is written first, then the published files: the checkpoint, if the epoch is the
selected one so far, and history.csv. If the process ends in between, resuming writes the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ssmi.model.runs import state as states
from ssmi.model.runs import state_tensors
from ssmi.model.runs.checkpoint import checkpoint as checkpoints
from ssmi.model.runs.checkpoint import checkpoint_files
from ssmi.model.runs.checkpoint.checkpoint_files import CheckpointMetadata
from ssmi.model.runs.files import CHECKPOINT, COUNTS, HEADLINE, HISTORY, METRICS, RESULT_FILES, report_name
from ssmi.model.runs.fingerprint import fingerprint_of
from ssmi.model.runs.results import history as histories
from ssmi.model.runs.results.history import EpochRecord
from ssmi.model.runs.state import TrainState
from ssmi.model.training.context import TrainContext
from ssmi.model.training.step import Learner
from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.parquet.tables import SPLITS
from ssmi.pipeline.contract.storage.replacing import discard


class RunWriter:
    """Writer of a run folder. Every process has a writer, but only the first process writes."""

    def __init__(self, context: TrainContext, learner: Learner) -> None:
        self._context = context
        self._learner = learner

    def save_state(self, state: TrainState) -> None:
        """Write everything needed to resume from here; must be called in every process."""
        context, learner = self._context, self._learner
        # In every process, because each draws different dropout and must resume with its own generators.
        generators = {
            name: context.workers.gather(generator)
            for name, generator in state_tensors.generator_states(context.workers.device).items()
        }
        if context.workers.is_main:
            states.save(
                context.run,
                state=state,
                network=learner.network,
                average=learner.average,
                optimizer=learner.optimizer,
                schedule=learner.schedule,
                generators=generators,
                params=context.params,
                shards=context.shards,
            )

    def catch_up(self, state: TrainState) -> None:
        """Write what the process that saved this state did not get to write, and check the checkpoint.

        Raises:
            StaleArtifactError: The checkpoint that belongs to the state is damaged or of another run.
            MissingResourceError: There is no checkpoint.

        """
        if not state.history or not self._context.workers.is_main:
            return
        if state.step == 0:
            self.publish(state.history)
        best = histories.chosen(state.history, select=self._context.params.train.select)
        folder = self._context.run / CHECKPOINT
        metadata = checkpoint_files.read_metadata(folder)
        # Checked here, because the checkpoint is read only after the last epoch, when the training would be lost.
        if (metadata.best_epoch, metadata.shards) != (best.epoch, self._context.shards.digest):
            raise StaleArtifactError(
                f"{folder}: of epoch {metadata.best_epoch} of another run, not of epoch {best.epoch} of the unfinished "
                "one",
                next_step="train again without resuming",
            )

    def publish(self, history: Sequence[EpochRecord]) -> None:
        """Write the published files of the last of these epochs; must be called after ``save_state``."""
        if not self._context.workers.is_main:
            return
        run = self._context.run
        _remove_results(run)
        if histories.chosen(history, select=self._context.params.train.select) == history[-1]:
            self._save_checkpoint(epoch=history[-1].epoch)
        histories.write(run / HISTORY, history)

    def save_stopped(self, state: TrainState) -> None:
        """Write everything needed to resume a run stopped by a signal, and to use it as it is."""
        run = self._context.run
        self.save_state(state)
        # A finished run in this folder is kept until this run has finished an epoch.
        if self._context.workers.is_main and not state.history and not (run / METRICS).exists():
            _remove_results(run)
            self._save_checkpoint(epoch=0)
            histories.write(run / HISTORY, [])

    def _save_checkpoint(self, *, epoch: int) -> None:
        shards, params, network = self._context.shards, self._context.params, self._learner.scored
        metadata = CheckpointMetadata(
            shards=shards.digest,
            vocabulary_digest=shards.statistics.vocabulary_digest,
            encoder_digest=shards.statistics.encoder_digest,
            n_parameters=network.n_parameters,
            best_epoch=epoch,
            fingerprint=fingerprint_of(params, shards=shards),
        )
        checkpoints.save(
            self._context.run / CHECKPOINT, network=network, params=params, shards=shards, metadata=metadata
        )


def _remove_results(run: Path) -> None:
    """Remove the scores and report pages of the checkpoint that is about to be replaced.

    Called before the new checkpoint is written, so that results never lie beside weights of another checkpoint.
    """
    for path in (run / METRICS, run / RESULT_FILES, run / HEADLINE, *(run / report_name(split) for split in SPLITS)):
        path.unlink(missing_ok=True)
    discard(run / COUNTS)

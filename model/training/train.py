"""Train on a shard folder and write a run folder: the selected checkpoint, the history and the metrics.

The epoch with the best dev F1 is kept (the earlier of equals), or the last one with ``train.select: last``. Test is
scored once, at the end, with the weights of that epoch. On a CPU, two runs with the same parameters and threads write
the same bytes, even if one of them was stopped and resumed. A run folder with metrics.json holds a finished run; one
with ``state/`` holds a run that can be resumed.

Without ``train.stream``, all shards are read at the start, so that a build that replaces them meanwhile changes
nothing. With it, a part that has been replaced is refused when it is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ssmi.model import encoder_defaults, hardware
from ssmi.model.data.shards import Shards, open_shards
from ssmi.model.data.split import Split
from ssmi.model.data.training_data import TrainingData
from ssmi.model.evaluation.scoring import Scores
from ssmi.model.evaluation.sentence_counts import count_with_names
from ssmi.model.network.build import build
from ssmi.model.network.encoder import load as load_encoder
from ssmi.model.network.network import Network
from ssmi.model.network.requirements import check_buildable, check_encoder, layers_below
from ssmi.model.runs import state as states
from ssmi.model.runs.checkpoint import checkpoint as checkpoints
from ssmi.model.runs.files import CHECKPOINT, COUNTS, METRICS
from ssmi.model.runs.results import counts_file, metrics_file
from ssmi.model.runs.results import history as histories
from ssmi.model.runs.results.history import EpochRecord
from ssmi.model.runs.results.metrics_file import RunMetrics
from ssmi.model.runs.state import SavedState
from ssmi.model.training import adversarial, distributed
from ssmi.model.training.context import TrainContext
from ssmi.model.training.distributed import WorkerGroup
from ssmi.model.training.evaluate import Evaluation
from ssmi.model.training.interrupts import Interrupts
from ssmi.model.training.loop import Timing, Trainer
from ssmi.model.training.reading import Sentences, read_sentences, scored_splits
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError, StaleArtifactError
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.progress import Reporter, Silent
from ssmi.pipeline.contract.storage.replacing import replacing_folder

__all__ = ["EpochRecord", "TrainResult", "train"]


@dataclass(frozen=True, slots=True)
class TrainResult:
    """The results of a run, and its steps since it was started or resumed."""

    run: Path
    history: Sequence[EpochRecord] = field(repr=False)
    best_epoch: int
    dev: Scores
    """Scores of the kept epoch on dev."""
    test: Scores | None
    """Scores of the kept epoch on test; None without test sentences, or if ``train.test`` is off."""
    step_losses: Sequence[float] = field(repr=False)
    """Mean loss of each step."""
    timing: Timing


@hardware.threads_restored()
def train(
    *,
    shards: Path,
    encoder: Path | None,
    run: Path,
    params: Params,
    reporter: Reporter,
    resume: bool = False,
    shards_digest: str | None = None,
) -> TrainResult:
    """Train, select an epoch, score test, and write the run folder.

    The files of a finished run in the folder are kept until the first epoch is done. Under torchrun, every process
    calls this function and gets the same result; only the first process writes.

    Args:
        shards: The shard folder to train on.
        encoder: The encoder folder that the shards were built with; read only if ``model.encoder`` is ``finetune`` or
            ``upper``.
        run: The run folder.
        params: All parameters; the feature parameters must be those of the shards.
        reporter: Receives progress and notes.
        resume: Whether to continue the unfinished run in ``run``.
        shards_digest: sha256 of the manifest that the caller has read, to verify the shards against; None to skip the
            check.

    Returns:
        The scores of the kept epoch, and the steps of the training.

    Raises:
        ParameterError: Parameters exclude each other, or the run to resume is finished.
        MissingResourceError: The shards, the encoder, a device or the run to resume is missing.
        StaleArtifactError: Shards, encoder and state do not belong together, are of another version or damaged, or the
            shards do not have the digest ``shards_digest``.
        InputDataError: The shards have no train or dev sentences, or the train sentences have no entity.
        DivergedError: The loss, the gradient norm or a weight is not finite.
        Interrupted: After Ctrl-C, SIGTERM or SIGHUP, with everything saved; a subclass of KeyboardInterrupt.

    """
    opened = open_shards(shards)
    if shards_digest not in (None, opened.digest):
        raise StaleArtifactError(f"{shards}: rebuilt since it was checked", next_step="run the same command again")
    check_buildable(params.model, opened)
    adversarial.check_parameters(params)
    with distributed.join(params.train.device) as workers:
        reporter = reporter if workers.is_main else Silent()
        saved = _begin(run, opened, params, reporter, resume=resume)
        # Before `resolve`, after which automatic rates can no longer be told from given ones.
        reporter.note(encoder_defaults.describe(params, opened.statistics.encoder_size))
        if slow := hardware.slow_bf16(workers.device, params.train.precision):
            reporter.note(slow)
        params = encoder_defaults.resolve(params, opened.statistics.encoder_size)
        network, sentences = _load(opened, encoder, params, workers, reporter)
        if params.train.select == "best" and not any(sentences.scored["dev"].gold):
            reporter.note(
                "no dev sentence holds an entity, so F1 is 0 after every epoch and the first one is kept; "
                "-S train.select=last keeps the last one"
            )
        with Interrupts() as interrupts:  # from here on a signal takes effect between two steps, with all saved
            context = TrainContext(opened, params, run, reporter, workers, interrupts)
            return _fit(Trainer(network, sentences.train, context), sentences, context, saved)


def _load(
    shards: Shards, encoder: Path | None, params: Params, workers: WorkerGroup, reporter: Reporter
) -> tuple[Network, Sentences]:
    """Set threads and random generator, read the sentences and build the network."""
    # The processes of this machine share its cores.
    hardware.set_threads(params.train.threads or max(1, hardware.physical_cores() // workers.local_world_size))
    torch.manual_seed(params.train.seed)
    total = 1 + len(scored_splits(params))
    with reporter.task("reading shards and encoder", total=total, unit="splits") as advance:
        sentences = read_sentences(shards, params, advance)
        network = _assemble(shards, encoder, params, sentences.train, sentences.scored["dev"])
    if not workers.is_main:
        # All processes built the same network above from one seed, but each draws different dropout.
        torch.manual_seed(params.train.seed + workers.rank)
    # Moved last: weights drawn on the CPU are the same for every device.
    return network.to(workers.device), sentences


def _fit(trainer: Trainer, sentences: Sentences, context: TrainContext, saved: SavedState | None) -> TrainResult:
    """Train, score with the weights of the kept epoch, and write the files of a finished run."""
    run = context.run
    if saved is not None:
        trainer.resume(saved)
    dev, test_split = sentences.scored["dev"], sentences.scored.get("test")
    history = trainer.fit(dev)
    best = histories.chosen(history, select=context.params.train.select)
    spans = {"dev": trainer.best_spans}
    if trainer.best_epoch != best.epoch:  # that epoch ended before the run was resumed
        spans["dev"] = _score_best(trainer, dev, "dev", run).spans
    test = None  # a run needs no test sentences
    if test_split is not None and len(test_split):
        evaluation = _score_best(trainer, test_split, "test", run)
        test, spans["test"] = evaluation.scores, evaluation.spans
    if context.workers.is_main:
        _write_counts(run, sentences, spans)
        _finish(run, best.dev, test)
    return TrainResult(run, history, best.epoch, best.dev, test, trainer.step_losses, trainer.timing)


def _score_best(trainer: Trainer, split: Split, name: str, run: Path) -> Evaluation:
    """Score the weights of the kept epoch on a split."""
    # The other processes do not score, so they need not read the checkpoint.
    if distributed.is_main_process():
        checkpoints.restore(run / CHECKPOINT, trainer.scored)
    return trainer.score(split, name)


def _write_counts(run: Path, sentences: Sentences, spans: Mapping[str, Sequence[Sequence[Span]]]) -> None:
    """Write the counts of every sentence, of all splits or of none; ``spans`` holds the predictions on each split."""
    with replacing_folder(run / COUNTS) as fresh:
        for name, predicted in spans.items():
            counted = count_with_names(sentences.names[name], sentences.scored[name].gold, predicted)
            counts_file.write(fresh / f"{name}.parquet", counted)


def _finish(run: Path, dev: Scores, test: Scores | None) -> None:
    """Write the scores, which mark a finished run, and remove the state to resume from."""
    # The scores first, so that the run can be resumed until they are complete.
    metrics_file.write(run, RunMetrics({"dev": dev} | ({"test": test} if test else {})))
    states.remove(run)


def _begin(run: Path, shards: Shards, params: Params, reporter: Reporter, *, resume: bool) -> SavedState | None:
    """Return the state to resume from; without ``resume``, note what the new run replaces and return None."""
    if resume:
        return _find_saved(run, shards, params)
    _note_what_is_replaced(run, reporter)
    return None


def _find_saved(run: Path, shards: Shards, params: Params) -> SavedState:
    """Find the state to resume from and check its fingerprint."""
    saved = states.find(run)
    if saved is not None:
        saved.check_fingerprint(params, shards)
        return saved
    if (run / METRICS).is_file():
        raise ParameterError(f"{run}: already finished, nothing to resume", next_step="train again without resuming")
    raise MissingResourceError(f"{run}: no unfinished run", next_step="train without resuming")


def _note_what_is_replaced(run: Path, reporter: Reporter) -> None:
    try:
        saved = states.find(run)
    except StaleArtifactError:
        reporter.note(f"{run}: an unfinished run of another version, or a damaged one, is replaced")
        return
    if saved is None and (run / METRICS).is_file():
        reporter.note(f"{run}: a finished run, replaced once the first epoch is done (use another --run to keep it)")
    if saved is not None:
        epochs, state = saved.fingerprint.parameters.get("train.epochs"), saved.state
        reporter.note(
            f"{run}: an unfinished run ({len(state.history)} of {epochs} epochs done) is replaced; "
            "use --resume to continue it instead"
        )


def _assemble(shards: Shards, encoder: Path | None, params: Params, train: TrainingData, dev: Split) -> Network:
    """Build the network; its statistics of the text (word counts, longest entity) come from train only."""
    counts = train.word_counts(n_rows=len(shards.boundaries.ids) + 1)
    bert = None
    if encoder is not None and params.model.trains_encoder:
        below = layers_below(params.model, shards.statistics)
        layers = params.model.encoder_layers
        assert layers != "auto"  # resolved by `encoder_defaults.resolve`
        bert = load_encoder(encoder, layers=layers, below=below)
    if bert is not None:
        # Of train and dev: nothing of test is used before the training is over.
        largest = max(train.largest_token_id, int(dev.token_ids.max()))
        check_encoder(bert, shards, largest_token_id=largest)
    return build(
        params.model,
        labels=shards.labels,
        boundaries=shards.boundaries,
        encoder=bert,
        hidden_width=shards.statistics.hidden_width,
        n_tokens=shards.statistics.n_tokens,
        word_counts=None if counts is None else torch.from_numpy(counts),
        longest_entity=train.longest_entity,
    )

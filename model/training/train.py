"""Train on a shard folder and leave a run folder: the best checkpoint, the history, the metrics.

Dev F1 picks the epoch (ties: the earlier one); test is scored once, at the end, with that epoch's weights. All that is
read of the shards is read at the start, so a build that replaces them meanwhile changes nothing. On a CPU two
runs with the same parameters and threads write the same bytes, also when one of them was stopped and resumed. A run
folder with metrics.json holds a finished run; one with ``state/`` a run that can be resumed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ssmi.model import encoder_defaults, hardware
from ssmi.model.data.folds import Fold, fold_characters, read_fold
from ssmi.model.data.shards import Shards, characters_of, open_shards, read_split
from ssmi.model.data.split import Split
from ssmi.model.data.training_data import StreamedSplit, TrainingData, WholeSplit
from ssmi.model.evaluation.scoring import Scores
from ssmi.model.evaluation.sentence_counts import count_named, names_of
from ssmi.model.network.build import build
from ssmi.model.network.encoder import load as load_encoder
from ssmi.model.network.network import Network
from ssmi.model.network.requirements import check_buildable, check_encoder, layers_below, wanted
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
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError, ParameterError, StaleArtifactError
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.progress import Reporter, Silent
from ssmi.pipeline.contract.storage.replacing import replacing_folder

__all__ = ["EpochRecord", "TrainResult", "train"]


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a run came to, and how it went since it was started or resumed."""

    run: Path
    history: Sequence[EpochRecord] = field(repr=False)
    best_epoch: int
    dev: Scores
    """Scores on dev after the best epoch."""
    test: Scores | None
    """Scores on test of the best epoch's weights; None where there is no test split, or ``train.test`` is off."""
    step_losses: Sequence[float] = field(repr=False)
    """Mean loss of each step."""
    timing: Timing


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
    """Train, choose the best epoch, score test, and write the run folder.

    What a finished run left in the folder stays until the first epoch is done. Started by torchrun, every process calls
    this alike and gets the same result; the first one writes.

    Args:
        shards: The shard folder to train on.
        encoder: The encoder folder that the shards were built with; read only with ``finetune`` or
            ``upper`` of ``model.encoder``.
        run: The run folder.
        params: All parameters; those of features are those of the shards.
        reporter: Told of progress and notes.
        resume: Whether to go on with the unfinished run in ``run``.
        shards_digest: sha256 of the manifest of the shards that the caller looked at; None where it did not.

    Returns:
        The scores of the best epoch, and how the training went.

    Raises:
        ParameterError: Parameters that exclude each other, or nothing to resume.
        MissingResourceError: Shards, an encoder, a device or the run to resume is not there.
        StaleArtifactError: Shards, encoder and state do not belong together, are of another version or damaged; or the
            shards are others than those that the caller looked at.
        InputDataError: The shards have no train or dev sentences, or no entity.
        DivergedError: The loss is not a finite number any more.
        Interrupted: After Ctrl-C, SIGTERM or SIGHUP, with everything saved. It is a KeyboardInterrupt.

    """
    opened = open_shards(shards)
    if shards_digest not in (None, opened.digest):
        raise StaleArtifactError(f"{shards}: built again just now", next_step="run the same command again")
    check_buildable(params.model, opened)
    adversarial.check_parameters(params)
    with distributed.join(params.train.device) as workers:
        reporter = reporter if workers.is_main else Silent()
        saved = _begin(run, opened, params, reporter, resume=resume)
        # Before `resolve`, after which nothing tells a rate that was chosen from one that was given.
        reporter.note(encoder_defaults.describe(params, opened.statistics.encoder_size))
        if slow := hardware.slow_bf16(workers.device, params.train.precision):
            reporter.note(slow)
        params = encoder_defaults.resolve(params, opened.statistics.encoder_size)
        loaded = _load(opened, encoder, params, workers, reporter)
        with Interrupts() as interrupts:  # from here on a signal is heard between two steps, and all is saved
            context = TrainContext(opened, params, run, reporter, workers, interrupts)
            return _fit(Trainer(loaded.network, loaded.data, context), loaded, context, saved)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What is trained, on its device, and on which sentences."""

    network: Network
    data: TrainingData
    """What it is trained on."""
    splits: Mapping[str, Split]
    """``dev``, and ``test`` where it will be scored."""
    names: Mapping[str, Sequence[str]]
    """Of the sentences of each of them, as counts name them."""


def _load(shards: Shards, encoder: Path | None, params: Params, workers: WorkerGroup, reporter: Reporter) -> _Loaded:
    """Read the sentences and build the network; sets threads and random generator, which both depend on."""
    # The processes of this machine share its cores.
    hardware.set_threads(params.train.threads or max(1, hardware.physical_cores() // workers.local_world_size))
    torch.manual_seed(params.train.seed)
    scored = ("dev", "test") if params.train.test else ("dev",)
    splits = {}
    with reporter.task("reading shards and encoder", total=1 + len(scored), unit="splits") as advance:
        data = _train_data(shards, params)
        advance(1)
        for name in scored:
            splits[name] = _read(shards, name, params)
            advance(1)
        network = _assemble(shards, encoder, params, data, splits["dev"])
    fold = Fold.of(params.train)
    names = {
        name: names_of(fold_characters(shards, name, fold) if fold else characters_of(shards, name), split.gold)
        for name, split in splits.items()
    }
    if not workers.is_main:
        # One network in all processes, built above from one seed, but different dropout in each.
        torch.manual_seed(params.train.seed + workers.rank)
    # Moved last: drawn on the CPU, the new weights are the same whatever the device.
    return _Loaded(network.to(workers.device), data, splits, names)


def _fit(trainer: Trainer, loaded: _Loaded, context: TrainContext, saved: SavedState | None) -> TrainResult:
    """Train, then score with the weights of the best epoch, and write what marks a finished run."""
    run = context.run
    if saved is not None:
        trainer.resume(saved)
    dev = loaded.splits["dev"]
    history = trainer.fit(dev)
    best = histories.chosen(history, select=context.params.train.select)
    spans = {"dev": trainer.best_spans}
    if trainer.best_epoch != best.epoch:  # that epoch was over before the run was resumed
        spans["dev"] = _score_best(trainer, dev, "dev", run).spans
    test = None
    if "test" in loaded.splits and len(loaded.splits["test"]):
        evaluation = _score_best(trainer, loaded.splits["test"], "test", run)
        test, spans["test"] = evaluation.scores, evaluation.spans
    if context.workers.is_main:
        _write_counts(run, loaded, spans)
        _finish(run, best.dev, test)
    return TrainResult(run, history, best.epoch, best.dev, test, trainer.step_losses, trainer.timing)


def _score_best(trainer: Trainer, split: Split, name: str, run: Path) -> Evaluation:
    """Score the best epoch's weights on a split."""
    # The others score nothing, so they need not read it.
    if distributed.is_main_process():
        checkpoints.restore(run / CHECKPOINT, trainer.scored)
    return trainer.score(split, name)


def _write_counts(run: Path, loaded: _Loaded, spans: Mapping[str, Sequence[Sequence[Span]]]) -> None:
    """Keep the counts of every sentence, of all splits or of none; ``spans``: the predictions on each split."""
    with replacing_folder(run / COUNTS) as fresh:
        for name, predicted in spans.items():
            counted = count_named(loaded.names[name], loaded.splits[name].gold, predicted)
            counts_file.write(fresh / f"{name}.parquet", counted)


def _finish(run: Path, dev: Scores, test: Scores | None) -> None:
    """Write the scores, which marks a finished run, and remove what it could have been resumed from."""
    # The scores first: until they are whole, what the run can be resumed from stays.
    metrics_file.write(run, RunMetrics({"dev": dev} | ({"test": test} if test else {})))
    states.remove(run)


def _begin(run: Path, shards: Shards, params: Params, reporter: Reporter, *, resume: bool) -> SavedState | None:
    """The state to go on from; without ``resume`` None, and a note on what the new run replaces."""
    if resume:
        return _find_saved(run, shards, params)
    _note_what_is_replaced(run, reporter)
    return None


def _find_saved(run: Path, shards: Shards, params: Params) -> SavedState:
    """The state to resume from, checked."""
    saved = states.find(run)
    if saved is not None:
        saved.check_fingerprint(params, shards)
        return saved
    if (run / METRICS).is_file():
        raise ParameterError(f"{run}: finished already, nothing to resume", next_step="train again without --resume")
    raise MissingResourceError(f"{run}: no unfinished run", next_step="train without --resume")


def _note_what_is_replaced(run: Path, reporter: Reporter) -> None:
    try:
        saved = states.find(run)
    except StaleArtifactError:
        reporter.note(f"{run}: an unfinished run of another version, or a damaged one, is replaced")
        return
    if saved is None and (run / METRICS).is_file():
        reporter.note(f"{run}: a finished run, replaced once the first epoch is done (--run keeps it)")
    if saved is not None:
        epochs, state = saved.fingerprint.parameters.get("train.epochs"), saved.state
        reporter.note(
            f"{run}: an unfinished run ({len(state.history)} of {epochs} epochs done) is replaced; "
            "--resume would have gone on with it"
        )


def _read(shards: Shards, name: str, params: Params) -> Split:
    fold, features = Fold.of(params.train), wanted(params.model)
    if fold is None:
        split = read_split(shards, name, boundaries=shards.boundaries, wanted=features)
    else:
        split = read_fold(shards, name, fold, boundaries=shards.boundaries, wanted=features)
    # Without test sentences a run is whole: `_fit` then scores dev alone.
    if name == "dev" and not split.token_ids.size:
        raise InputDataError(f"{shards.folder}: no dev sentences", next_step=_how_to_get_dev(params))
    return split


def _train_data(shards: Shards, params: Params) -> TrainingData:
    """The train split, in memory or, with ``train.stream``, as it lies on disk."""
    settings, data = params.train, None
    if settings.stream:
        features = wanted(params.model)
        data = StreamedSplit.open(shards, "train", wanted=features, buffer=settings.stream_buffer)
    train: TrainingData = data or WholeSplit(_read(shards, "train", params))
    if not train.lengths.sum():
        raise InputDataError(f"{shards.folder}: no train sentences", next_step="see its source")
    if not train.longest_entity:
        raise InputDataError(
            f"{shards.folder}: no train sentence holds an entity, so there is nothing to learn",
            next_step="look at the annotation with ssmi-cli data check",
        )
    return train


def _how_to_get_dev(params: Params) -> str:
    fraction = params.prepare.dev_fraction
    if fraction > 0:
        return f"give a dev file or more sentences: prepare.dev_fraction={fraction:g} of train came to none"
    return "give a dev file, or cut a dev part off train: build and train with -S prepare.dev_fraction=0.1"


def _assemble(shards: Shards, encoder: Path | None, params: Params, train: TrainingData, dev: Split) -> Network:
    """The network for train and dev; what it is told of the text it is told of train alone."""
    counts = train.word_counts(n_rows=len(shards.boundaries.ids) + 1)
    bert = None
    if encoder is not None and params.model.trains_encoder:
        below = layers_below(params.model, shards.statistics)
        layers = params.model.encoder_layers
        assert layers != "auto"  # it was resolved
        bert = load_encoder(encoder, layers=layers, below=below)
    if bert is not None:
        # Of train and dev: nothing of test is looked at before the training is over.
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

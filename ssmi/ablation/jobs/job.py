"""A run of an ablation as a job for any process: its description, its execution, and a measurement of its speed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ssmi import training
from ssmi.model.runs import json_files
from ssmi.model.runs import state as states
from ssmi.model.runs.checkpoint import checkpoint_files
from ssmi.model.runs.checkpoint.checkpoint_files import CheckpointMetadata
from ssmi.model.runs.files import CHECKPOINT, DROP_CHECKPOINT, KEPT_METADATA
from ssmi.pipeline.contract.errors import SsmiError
from ssmi.pipeline.contract.parameters import params as parameters
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.progress import Advance, Reporter
from ssmi.pipeline.contract.storage.replacing import discard, writing
from ssmi.runs.pins import PINNED
from ssmi.workspace import Workspace

_FLAGS = ("resume", "keep_checkpoint", "shards_digest")
_MEASURED_SECONDS = 4.0
_MEASURED_STEPS = 3


@dataclass(frozen=True, slots=True)
class Job:
    """A run to train.

    Attributes:
        root: The project folder.
        shards: The folder of the shards to train on.
        encoder: The folder of the encoder to train; None if no encoder is trained.
        run: The run folder.
        params: Parameters of the run, including the device and the threads that the job uses.
        keep_checkpoint: Whether to keep the weights of the finished run.
        resume: Whether to continue the unfinished run in the run folder.
        shards_digest: sha256 of the shards' manifest when the run was planned; None accepts the shards as they are.

    """

    root: Path
    shards: Path
    encoder: Path | None
    run: Path
    params: Params
    keep_checkpoint: bool
    resume: bool = False
    shards_digest: str | None = None

    def to_json(self) -> str:
        """Return the job as one line of JSON, for another process."""
        paths = {name: str(getattr(self, name)) for name in ("root", "shards", "run")}
        encoder = None if self.encoder is None else str(self.encoder)
        flags = {name: getattr(self, name) for name in _FLAGS}
        return json.dumps({**paths, "encoder": encoder, **flags, "params": self.params.model_dump(mode="json")})

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Restore a job from the result of ``to_json``."""
        body = json.loads(text)
        encoder = None if body["encoder"] is None else Path(body["encoder"])
        params = parameters.check_params(body["params"], source="a run of the ablation")
        paths = (Path(body["root"]), Path(body["shards"]), encoder, Path(body["run"]))
        return cls(*paths, params, **{name: body[name] for name in _FLAGS})


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a machine trains a configuration.

    Attributes:
        start_seconds: Seconds before the first step, spent on reading shards and encoder.
        characters: Number of characters in an epoch of train sentences.
        characters_per_step: Mean number of characters per training step.
        characters_per_second: Characters per second during training steps.

    """

    start_seconds: float
    characters: int
    characters_per_step: float
    characters_per_second: float


def run_job(job: Job, reporter: Reporter) -> None:
    """Train, with the errors of ``training.train``; without ``keep_checkpoint``, remove the weights at the end."""
    job.run.mkdir(parents=True, exist_ok=True)
    if job.keep_checkpoint:
        (job.run / DROP_CHECKPOINT).unlink(missing_ok=True)
    else:
        (job.run / DROP_CHECKPOINT).touch()
    try:
        training.train(
            Workspace(job.root, reporter),
            shards=job.shards,
            encoder=job.encoder,
            run=job.run,
            params=job.params,
            resume=job.resume,
            shards_digest=job.shards_digest,
        )
    except (SsmiError, OSError):
        _remove_if_never_begun(job.run)
        raise
    _drop_weights(job.run)


def read_run_metadata(run: Path) -> CheckpointMetadata:
    """Read the metadata of a finished run, with or without its weights; errors are those of ``read_metadata``."""
    try:
        return checkpoint_files.read_metadata(run / CHECKPOINT)
    except SsmiError:
        try:
            return json_files.read(run / KEPT_METADATA, CheckpointMetadata)
        except (OSError, ValueError):
            pass  # the error of the checkpoint is more informative
        raise


def measure(job: Job) -> Speed:
    """Measure the speed of a few training steps, in a temporary run folder."""
    from ssmi.model.training.train import train

    stopwatch = _Stopwatch()
    try:
        train(shards=job.shards, encoder=job.encoder, run=job.run, params=job.params, reporter=stopwatch)
    except _MeasuredEnough:
        pass
    finally:
        discard(job.run)
    return stopwatch.speed


def remove_leftovers(run: Path) -> None:
    """Remove the state and the unwanted weights of a finished run, which a killed process may have left."""
    states.remove(run)
    _drop_weights(run)


def _remove_if_never_begun(run: Path) -> None:
    """Remove the folder of a run that was rejected before its first step, if it holds nothing but the mark."""
    with suppress(OSError):
        if all(entry.name == DROP_CHECKPOINT for entry in run.iterdir()):
            (run / DROP_CHECKPOINT).unlink(missing_ok=True)
            run.rmdir()


def _drop_weights(run: Path) -> None:
    """Remove weights and kept features of a finished run that is marked for it; the metadata is kept."""
    if not (run / DROP_CHECKPOINT).exists():
        return
    metadata = read_run_metadata(run)
    # The metadata comes first: a run with neither weights nor metadata would be trained again.
    with writing(run / KEPT_METADATA) as temporary:
        json_files.write(temporary, metadata, sort_keys=True)
    for name in (CHECKPOINT, PINNED):
        discard(run / name)
    (run / DROP_CHECKPOINT).unlink()


class _MeasuredEnough(BaseException):
    """Ends a measurement. It is not an Exception, so that no handler takes it for an error of the run."""


class _Stopwatch:
    """A reporter that times the steps of the first epoch, and ends the training after enough steps."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self._first: float | None = None
        """Time at the end of the first step, which is slower than the others."""
        self._last = 0.0
        self._start_seconds = 0.0
        self._total = self._done = self._seen = self._steps = 0

    @property
    def speed(self) -> Speed:
        """The measured speed; with a single step, that of this step including its warm-up."""
        if self._first is None or self._last == self._first:
            rate = self._total / max(self._last - self._begun - self._start_seconds, 1e-6)
        else:
            rate = self._done / (self._last - self._first)
        return Speed(self._start_seconds, self._total, self._seen / max(self._steps, 1), rate)

    @contextmanager
    def task(self, label: str, *, total: int, unit: str) -> Iterator[Advance]:
        """Time the task whose unit is characters, and end the training before the next task, which scores dev."""
        if self._steps:
            raise _MeasuredEnough
        if unit != "characters":
            yield lambda _: None
            return
        self._start_seconds, self._total = time.perf_counter() - self._begun, total
        yield self._advance

    def note(self, message: str) -> None:
        """Ignore the message."""

    def _advance(self, count: int) -> None:
        if not count:  # reported for the steps of a resumed run; here there are none
            return
        self._steps, self._last, self._seen = self._steps + 1, time.perf_counter(), self._seen + count
        if self._first is None:
            self._first = self._last
            return
        self._done += count
        if self._steps > _MEASURED_STEPS and self._last - self._first >= _MEASURED_SECONDS:
            raise _MeasuredEnough

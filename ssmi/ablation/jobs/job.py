"""One run of an ablation as a piece of work that any process can do: what it is, doing it, and measuring its speed."""

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
from ssmi.model.runs.files import CHECKPOINT, DROP_WEIGHTS, MADE_FROM
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
    """A run to do.

    Attributes:
        root: The project folder.
        shards: What to train on.
        encoder: The encoder to train; None where none is.
        run: The run folder.
        params: Of the run; device and threads are those that the job is to use.
        keep_checkpoint: Whether the weights stay when the run is finished.
        resume: Whether to go on with what is in the run folder.
        shards_digest: sha256 of the manifest of the shards when the run was planned; None trains on what is there.

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
        """In one line, for another process."""
        paths = {name: str(getattr(self, name)) for name in ("root", "shards", "run")}
        encoder = None if self.encoder is None else str(self.encoder)
        flags = {name: getattr(self, name) for name in _FLAGS}
        return json.dumps({**paths, "encoder": encoder, **flags, "params": self.params.model_dump(mode="json")})

    @classmethod
    def from_json(cls, text: str) -> Job:
        """What ``to_json`` gave."""
        body = json.loads(text)
        encoder = None if body["encoder"] is None else Path(body["encoder"])
        params = parameters.check_params(body["params"], source="a run of the ablation")
        paths = (Path(body["root"]), Path(body["shards"]), encoder, Path(body["run"]))
        return cls(*paths, params, **{name: body[name] for name in _FLAGS})


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a machine trains a configuration.

    Attributes:
        start_seconds: From the beginning until the first step: reading shards and encoder.
        characters: Of an epoch's train sentences.
        characters_a_step: Of a training step.
        characters_a_second: Of training steps.

    """

    start_seconds: float
    characters: int
    characters_a_step: float
    characters_a_second: float


def do(job: Job, reporter: Reporter) -> None:
    """Train; errors are those of ``training.train``. Without ``keep_checkpoint`` the weights go at the end."""
    job.run.mkdir(parents=True, exist_ok=True)
    if job.keep_checkpoint:
        (job.run / DROP_WEIGHTS).unlink(missing_ok=True)
    else:
        (job.run / DROP_WEIGHTS).touch()
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


def made_from(run: Path) -> CheckpointMetadata:
    """What a finished run was made from, whether its weights were kept or not; errors as of ``read_metadata``."""
    try:
        return checkpoint_files.read_metadata(run / CHECKPOINT)
    except SsmiError:
        try:
            return json_files.read(run / MADE_FROM, CheckpointMetadata)
        except (OSError, ValueError):
            pass  # what is wrong with the checkpoint says more
        raise


def measure(job: Job) -> Speed:
    """Train for a few steps, in a folder that is gone afterwards, and say how fast that was."""
    from ssmi.model.training.train import train

    stopwatch = _Stopwatch()
    try:
        train(shards=job.shards, encoder=job.encoder, run=job.run, params=job.params, reporter=stopwatch)
    except _MeasuredEnough:
        pass
    finally:
        discard(job.run)
    return stopwatch.speed


def tidy(run: Path) -> None:
    """Remove what a process that was killed after a run had finished left of it: its state, and weights that go."""
    states.remove(run)
    _drop_weights(run)


def _remove_if_never_begun(run: Path) -> None:
    """Remove the folder of a run that was refused before its first step, in which nothing but its mark lies."""
    with suppress(OSError):
        if all(entry.name == DROP_WEIGHTS for entry in run.iterdir()):
            (run / DROP_WEIGHTS).unlink(missing_ok=True)
            run.rmdir()


def _drop_weights(run: Path) -> None:
    """Remove the weights of a finished run, if they go, and what they would need on text; how it was made stays."""
    if not (run / DROP_WEIGHTS).exists():
        return
    metadata = made_from(run)
    # First: a run that has lost its weights and does not say what it was made from would be trained again.
    with writing(run / MADE_FROM) as temporary:
        json_files.write(temporary, metadata, sort_keys=True)
    for name in (CHECKPOINT, PINNED):
        discard(run / name)
    (run / DROP_WEIGHTS).unlink()


class _MeasuredEnough(BaseException):
    """Not an Exception: nothing on the way may take it for an error of the run."""


class _Stopwatch:
    """A reporter that times the steps of the first epoch and ends the training when it has seen enough of them."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self._first: float | None = None
        """When the first step was done: it is slower than the others."""
        self._last = 0.0
        self._start_seconds = 0.0
        self._total = self._done = self._seen = self._steps = 0

    @property
    def speed(self) -> Speed:
        """What was seen; an epoch of one step counts as fast as that step with all its beginning."""
        if self._first is None or self._last == self._first:
            rate = self._total / max(self._last - self._begun - self._start_seconds, 1e-6)
        else:
            rate = self._done / (self._last - self._first)
        return Speed(self._start_seconds, self._total, self._seen / max(self._steps, 1), rate)

    @contextmanager
    def task(self, label: str, *, total: int, unit: str) -> Iterator[Advance]:
        """Time the task whose units are characters; the one after it, scoring dev, is not begun."""
        if self._steps:
            raise _MeasuredEnough
        if unit != "characters":
            yield lambda _: None
            return
        self._start_seconds, self._total = time.perf_counter() - self._begun, total
        yield self._advance

    def note(self, message: str) -> None:
        """Drop the line."""

    def _advance(self, count: int) -> None:
        if not count:  # the steps of a resumed run; here none
            return
        self._steps, self._last, self._seen = self._steps + 1, time.perf_counter(), self._seen + count
        if self._first is None:
            self._first = self._last
            return
        self._done += count
        if self._steps > _MEASURED_STEPS and self._last - self._first >= _MEASURED_SECONDS:
            raise _MeasuredEnough

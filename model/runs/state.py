"""The state of an unfinished run: everything that training needs to resume as if it had never stopped.

``state/state.json`` holds the progress and the fingerprint of the run, and names the file with the weights, their
average, AdamW's moments and the random generators. That file is written first, under a name that is not in use, so that
a complete state is on disk at every moment, whatever happens to the process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from safetensors import SafetensorError
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from ssmi.model.data.shards import Shards
from ssmi.model.runs import json_files, state_tensors, weights
from ssmi.model.runs.files import STATE, STATE_FILE
from ssmi.model.runs.fingerprint import Fingerprint, FingerprintField, fingerprint_of
from ssmi.model.runs.json_files import JsonBody
from ssmi.model.runs.results.history import EpochRecord
from ssmi.pipeline.contract.errors import SsmiError, StaleArtifactError
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.storage import plain_files
from ssmi.pipeline.contract.storage.digests import digest_file
from ssmi.pipeline.contract.storage.replacing import discard, fsync_folder, temporary_folder, writing
from ssmi.pipeline.contract.text.json_text import loads

FORMAT = 3
"""Incremented whenever earlier states can no longer be resumed. Versions 0.1 and 0.2 wrote 1 and 2."""
# Two names in alternation, so that the file named in state.json is never written to.
_TensorFile = Literal["a.safetensors", "b.safetensors"]
_FILES: tuple[_TensorFile, ...] = get_args(_TensorFile)


@dataclass(frozen=True, slots=True)
class TrainState:
    """The progress of a run, which determines the remaining batches, since these depend only on seed and epoch."""

    epoch: int = 1
    """The current epoch; the last epoch + 1 if only scoring on test remains."""
    step: int = 0
    """Number of completed steps of the current epoch."""
    loss: float = 0.0
    """Sum of the losses of the current epoch's sentences so far."""
    history: tuple[EpochRecord, ...] = ()
    """The completed epochs."""


class _StateFile(JsonBody):
    """The content of ``state.json``."""

    format: int
    file: _TensorFile
    file_digest: str
    """sha256 of ``file``."""
    epoch: int
    step: int
    steps: int
    """Number of completed steps of the whole run."""
    loss: float
    history: tuple[EpochRecord, ...]
    fingerprint: FingerprintField

    @classmethod
    def of(
        cls, state: TrainState, *, file: _TensorFile, file_digest: str, steps: int, fingerprint: Fingerprint
    ) -> _StateFile:
        return cls(
            format=FORMAT,
            file=file,
            file_digest=file_digest,
            epoch=state.epoch,
            step=state.step,
            steps=steps,
            loss=state.loss,
            history=state.history,
            fingerprint=fingerprint,
        )


@dataclass(frozen=True, slots=True)
class SavedState:
    """A state on disk.

    Attributes:
        folder: ``RUN/state``.
        state: The progress of the run.
        steps: Number of completed steps of the whole run.
        fingerprint: The fingerprint of the run.
        file: The file with the tensors.
        file_digest: sha256 of ``file``.

    """

    folder: Path
    state: TrainState
    steps: int
    fingerprint: Fingerprint
    file: Path
    file_digest: str

    def differences(self, params: Params, shards: Shards) -> list[str]:
        """Return a line for each parameter and digest that differs from those of the unfinished run."""
        return self.fingerprint.differences(fingerprint_of(params, shards=shards), run="the unfinished run")

    def check_fingerprint(self, params: Params, shards: Shards) -> None:
        """Check that parameters and shards are those of the unfinished run.

        Raises:
            StaleArtifactError: They differ; the error names every difference.

        """
        differing = self.differences(params, shards)
        if differing:
            raise StaleArtifactError(
                f"{self.folder}: {'; '.join(differing)}",
                next_step="resume with the original parameters and shards, or train again without resuming",
            )

    def restore(
        self, network: nn.Module, optimizer: AdamW, schedule: LambdaLR, *, rank: int, average: nn.Module | None = None
    ) -> None:
        """Restore weights, moments, learning rates and random generators.

        A process that is not in the state, because there were fewer processes, keeps its own random generators.

        Args:
            network: The network, on its device.
            optimizer: The optimizer of the network's parameters, with the same groups as when the state was saved.
            schedule: The schedule of the optimizer.
            rank: Rank of this process.
            average: The average of the weights, if the run has one.

        Raises:
            StaleArtifactError: The file was changed after it was written, or does not fit the network.

        """
        try:
            tensors = weights.read(self.file, sha256=self.file_digest)
            state_tensors.put_back(tensors, network, average, optimizer, rank=rank)
        except (OSError, SafetensorError, RuntimeError, ValueError) as error:
            raise _broken(self.file, error) from error
        # Only the step of a schedule is saved, because its lambdas cannot be; the rates follow from the step.
        schedule.load_state_dict({**schedule.state_dict(), "last_epoch": self.steps})
        for group, rate, factor in zip(optimizer.param_groups, schedule.base_lrs, schedule.lr_lambdas, strict=True):
            group["lr"] = rate * factor(self.steps)


def save(
    run: Path,
    *,
    state: TrainState,
    network: nn.Module,
    average: nn.Module | None,
    optimizer: AdamW,
    schedule: LambdaLR,
    generators: Mapping[str, Sequence[Tensor]],
    params: Params,
    shards: Shards,
) -> None:
    """Write ``run/state``; the previous state stays intact until the new one is complete.

    Args:
        run: The run folder.
        state: The progress of the run.
        network: The network, whose weights are saved.
        average: The average of the weights, which is saved too; None if the run has none.
        optimizer: The optimizer, whose moments are saved.
        schedule: The schedule, whose step is saved.
        generators: Name of each random generator → its states by rank of the process.
        params: The parameters of the run.
        shards: The shards that the run is trained on.

    """
    folder = run / STATE
    folder.mkdir(parents=True, exist_ok=True)
    tensors = state_tensors.collect(network, average, optimizer, generators)
    file = next(name for name in _FILES if name != _file_in_use(folder))
    try:
        # In a folder of its own, which is held until the file is complete; see ``saving_tensors``.
        with temporary_folder(folder / file) as fresh:
            weights.write(tensors, fresh / file)
            digest = digest_file(fresh / file)
            (fresh / file).replace(folder / file)
        fsync_folder(folder)  # the tensors come before state.json, which names them
    except OSError:
        with suppress(OSError):
            folder.rmdir()  # if there was no state before
        raise
    fingerprint = fingerprint_of(params, shards=shards)
    with writing(folder / STATE_FILE) as temporary:
        # What LambdaLR calls an epoch is a step here.
        body = _StateFile.of(state, file=file, file_digest=digest, steps=schedule.last_epoch, fingerprint=fingerprint)
        json_files.write(temporary, body)
    # Only here, because the old file held the state until state.json named the new one.
    _remove_others(folder, keep={file, STATE_FILE})


def find(run: Path) -> SavedState | None:
    """Find the state in a run folder.

    Args:
        run: The run folder.

    Returns:
        The state; None if there is none.

    Raises:
        StaleArtifactError: The state is damaged, or another version wrote it.

    """
    folder = run / STATE
    path = folder / STATE_FILE
    try:
        body = loads(plain_files.read_text(path))
        # Checked before the keys, which may differ in another version.
        if isinstance(body, dict) and body.get("format") != FORMAT:
            raise StaleArtifactError(
                f"{run}: an unfinished run of another version of ssmi "
                f"({STATE_FILE}: format {body.get('format')}, this version reads {FORMAT})",
                next_step="train again with this version, without resuming",
            )
        saved = json_files.read(path, _StateFile)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise _broken(path, error) from error
    state = TrainState(saved.epoch, saved.step, saved.loss, saved.history)
    return SavedState(folder, state, saved.steps, saved.fingerprint, folder / saved.file, saved.file_digest)


def remove(run: Path) -> None:
    """Remove the state of a run that has finished."""
    discard(run / STATE)


def _file_in_use(folder: Path) -> str | None:
    try:
        return str(loads(plain_files.read_text(folder / STATE_FILE))["file"])
    # An unreadable state.json names no file that could be lost.
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remove_others(folder: Path, *, keep: Iterable[str]) -> None:
    """Remove the previous state and what killed processes left half written."""
    for path in folder.iterdir():
        if path.name in keep:
            continue
        if path.is_dir():
            discard(path)
        else:
            path.unlink()


def _broken(path: Path, error: Exception) -> SsmiError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return StaleArtifactError(f"{path}: damaged ({reason})", next_step="train again without resuming")

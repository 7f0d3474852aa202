"""The state of an unfinished run: everything that training needs to go on as if it had never stopped.

``state/state.json`` says how far the run has got and of what parameters and shards it is, and names the file with the
weights, their average, AdamW's moments and the random generators. That file is written first, under a name that is not
in use, so that a whole state is on disk at every moment, whatever happens to the process.
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
from ssmi.model.runs.fingerprint import Fingerprint, FingerprintField, fingerprint_of
from ssmi.model.runs.json_files import JsonBody
from ssmi.model.runs.results.history import EpochRecord
from ssmi.pipeline.contract.errors import SsmiError, StaleArtifactError
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.storage import plain_files
from ssmi.pipeline.contract.storage.digests import digest_file
from ssmi.pipeline.contract.storage.replacing import discard, writing
from ssmi.pipeline.contract.text.json_text import loads

STATE = "state"
FORMAT = 3
"""One more whenever this version cannot go on from what an earlier one wrote. Versions 0.1 and 0.2 wrote 1 and 2."""
STATE_FILE = "state.json"
# Two names in turn: the file that state.json names is never written to.
_TensorFile = Literal["a.safetensors", "b.safetensors"]
_FILES: tuple[_TensorFile, ...] = get_args(_TensorFile)


@dataclass(frozen=True, slots=True)
class TrainState:
    """How far a run has got. What comes next follows from it, for batches depend only on seed and epoch."""

    epoch: int = 1
    """The current epoch; after the last one when only the test is left."""
    step: int = 0
    """Steps of it that are done."""
    loss: float = 0.0
    """Sum of the losses of its sentences so far."""
    history: tuple[EpochRecord, ...] = ()
    """The epochs before it."""


class _StateFile(JsonBody):
    """``state.json``."""

    format: int
    file: _TensorFile
    file_digest: str
    """sha256 of that file."""
    epoch: int
    step: int
    steps: int
    """Steps of the whole run so far."""
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
    """A state as it is on disk.

    Attributes:
        folder: ``RUN/state``.
        state: How far the run has got.
        steps: Steps of the whole run so far.
        fingerprint: What the run is made from.
        file: The file with its tensors.
        file_digest: sha256 of it.

    """

    folder: Path
    state: TrainState
    steps: int
    fingerprint: Fingerprint
    file: Path
    file_digest: str

    def differences(self, params: Params, shards: Shards) -> list[str]:
        """A line for each parameter and digest that it did not begin with."""
        return self.fingerprint.differences(fingerprint_of(params, shards=shards), run="the unfinished run")

    def check_fingerprint(self, params: Params, shards: Shards) -> None:
        """Refuse to go on with other parameters or shards.

        Raises:
            StaleArtifactError: Naming every difference.

        """
        differing = self.differences(params, shards)
        if differing:
            raise StaleArtifactError(
                f"{self.folder}: {'; '.join(differing)}",
                next_step="go on with what it began with, or train again without --resume",
            )

    def restore(
        self, network: nn.Module, optimizer: AdamW, schedule: LambdaLR, *, rank: int, average: nn.Module | None = None
    ) -> None:
        """Put weights, moments, learning rates and random generators back.

        A process that the state does not know, because there were fewer, keeps its own random generators.

        Args:
            network: On its device.
            optimizer: Of the network's parameters, in the same groups as when the state was saved.
            schedule: Of the optimizer.
            rank: Of this process.
            average: The weights' average, where the run keeps one.

        Raises:
            StaleArtifactError: The file changed since it was written, or is not what the network needs.

        """
        try:
            tensors = weights.read(self.file, sha256=self.file_digest)
            state_tensors.put_back(tensors, network, average, optimizer, rank=rank)
        except (OSError, SafetensorError, RuntimeError, ValueError) as error:
            raise _broken(self.file, error) from error
        # A schedule's state is its step alone, and the rates follow from that: its lambdas cannot be saved.
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
    """Write ``run/state``; until the last byte is there, the state before stays whole.

    Args:
        run: The run folder.
        state: How far the run has got.
        network: Its weights are saved.
        average: Their average, saved beside them; None where the run keeps none.
        optimizer: Its moments are saved.
        schedule: Its step is saved.
        generators: By name, the states of every process, by rank.
        params: With numbers where learning rates were ``auto``.
        shards: What it is trained on.

    """
    folder = run / STATE
    folder.mkdir(parents=True, exist_ok=True)
    tensors = state_tensors.collect(network, average, optimizer, generators)
    file = next(name for name in _FILES if name != _file_in_use(folder))
    try:
        with writing(folder / file) as temporary:
            weights.write(tensors, temporary)
            digest = digest_file(temporary)
    except OSError:
        with suppress(OSError):
            folder.rmdir()  # where there was no state before
        raise
    fingerprint = fingerprint_of(params, shards=shards)
    with writing(folder / STATE_FILE) as temporary:
        # What LambdaLR calls an epoch is a step here.
        body = _StateFile.of(state, file=file, file_digest=digest, steps=schedule.last_epoch, fingerprint=fingerprint)
        json_files.write(temporary, body)
    # Only now: until state.json named the new file, the state was in the other.
    _remove_others(folder, keep={file, STATE_FILE})


def find(run: Path) -> SavedState | None:
    """The state in a run folder.

    Args:
        run: The run folder.

    Returns:
        The state; None where there is none.

    Raises:
        StaleArtifactError: It is damaged, or another version wrote it.

    """
    folder = run / STATE
    path = folder / STATE_FILE
    try:
        body = loads(plain_files.read_text(path))
        # Before the keys are checked: those of another version may be others.
        if isinstance(body, dict) and body.get("format") != FORMAT:
            raise StaleArtifactError(
                f"{run}: an unfinished run of another version of ssmi "
                f"({STATE_FILE}: format {body.get('format')}, this version reads {FORMAT})",
                next_step="train again with this version, without --resume",
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
    # A state.json that cannot be read names no tensors that could be lost.
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remove_others(folder: Path, *, keep: Iterable[str]) -> None:
    """Remove the state before, and what a killed process left half written."""
    for path in folder.iterdir():
        if path.name not in keep:
            path.unlink()


def _broken(path: Path, error: Exception) -> SsmiError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return StaleArtifactError(f"{path}: damaged ({reason})", next_step="train again without --resume")

"""The state of an unfinished run: everything that training needs to go on as if it had never stopped.

``state/state.json`` says where the run stands and of what parameters and shards it is, and names the file with the
weights, AdamW's moments and the random generators. That file is written first, under a name not in use, so there is a
whole state on disk at every moment, whatever happens to the process.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from ssmi.model.data.shards import Shards
from ssmi.model.runs import fingerprint, weights
from ssmi.model.runs.history import EpochRecord
from ssmi.pipeline.contract.errors import SsmiError, StaleArtifactError
from ssmi.pipeline.contract.params import Params
from ssmi.pipeline.contract.tables import writing

STATE = "state"
FORMAT = 1
_FACTS = "state.json"
_FILES = ("a.safetensors", "b.safetensors")
_WEIGHT, _MOMENTS, _GENERATOR = "weight:", ("exp_avg", "exp_avg_sq", "step"), "generator:"


@dataclass(frozen=True, slots=True)
class TrainState:
    """Where a run stands. What comes next follows from it, for batches depend only on seed and epoch."""

    epoch: int = 1
    """The epoch under way; behind the last one when only the test is left."""
    step: int = 0
    """Its steps that are done."""
    loss: float = 0.0
    """Sum of its sentences' losses so far."""
    history: tuple[EpochRecord, ...] = ()
    """The epochs before it."""


@dataclass(frozen=True, slots=True)
class SavedState:
    """A state as found on disk."""

    folder: Path
    position: TrainState
    steps: int
    """Of the whole run so far."""
    fingerprint: Mapping[str, Any]
    """``section.key`` → value, and the digests."""
    file: Path

    def differences(self, params: Params, shards: Shards) -> list[str]:
        """A line for each parameter and digest that it did not begin with."""
        now = fingerprint.fingerprint_of(params, shards=shards)
        return fingerprint.differences(self.fingerprint, now, run="the unfinished run")

    def check(self, params: Params, shards: Shards) -> None:
        """Raise StaleArtifactError, naming every difference, unless it is of these parameters and shards."""
        differing = self.differences(params, shards)
        if differing:
            raise StaleArtifactError(
                f"{self.folder}: {'; '.join(differing)}",
                next_step="go on with what it began with, or train anew without --resume",
            )

    def restore(self, network: nn.Module, optimizer: AdamW, schedule: LambdaLR, *, rank: int) -> None:
        """Put everything back. Raises StaleArtifactError when the file is not what this program's network needs.

        A process that the state does not know, for there were fewer, keeps its own random generators.
        """
        device = next(network.parameters()).device
        try:
            tensors = load_file(self.file)
            network.load_state_dict(_below(_WEIGHT, tensors))
            _restore_moments(network, optimizer, tensors)
            generators = _below(f"{_GENERATOR}{rank}:", tensors)
            if "cpu" in generators:
                torch.set_rng_state(generators["cpu"])
            if device.type == "cuda" and "cuda" in generators:
                torch.cuda.set_rng_state(generators["cuda"], device)
        except (OSError, SafetensorError, RuntimeError, ValueError) as error:
            raise _broken(self.file, error) from error
        schedule.load_state_dict({**schedule.state_dict(), "last_epoch": self.steps})
        for group, rate, factor in zip(optimizer.param_groups, schedule.base_lrs, schedule.lr_lambdas, strict=True):
            group["lr"] = rate * factor(self.steps)


def generator_states(device: torch.device) -> dict[str, Tensor]:
    """The states of the random generators that training draws from, by name. Shape of each: (bytes,), uint8."""
    states = {"cpu": torch.get_rng_state()}
    return states | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def save(
    run: Path,
    *,
    position: TrainState,
    network: nn.Module,
    optimizer: AdamW,
    schedule: LambdaLR,
    generators: Mapping[str, Sequence[Tensor]],
    params: Params,
    shards: Shards,
) -> None:
    """Write ``run/state``; until the last byte is there, the state before stays whole.

    generators: by name, of every process in order.
    """
    folder = run / STATE
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"{_WEIGHT}{name}": tensor for name, tensor in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        for kind, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{kind}:{name}"] = value
    for name, states in generators.items():
        for rank, state in enumerate(states):
            tensors[f"{_GENERATOR}{rank}:{name}"] = state
    name = next(name for name in _FILES if name != _named_file(folder))
    with writing(folder / name) as temporary:
        weights.write(tensors, temporary)
    facts = {
        "format": FORMAT,
        "file": name,
        "epoch": position.epoch,
        "step": position.step,
        "steps": schedule.last_epoch,
        "loss": position.loss,
        "history": [record.to_json() for record in position.history],
        "fingerprint": fingerprint.fingerprint_of(params, shards=shards),
    }
    with writing(folder / _FACTS) as temporary:
        temporary.write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    _sweep(folder, keep={name, _FACTS})


def find(run: Path) -> SavedState | None:
    """The state in a run folder, None where there is none; StaleArtifactError when it cannot be read."""
    folder = run / STATE
    path = folder / _FACTS
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        if facts["format"] != FORMAT or facts["file"] not in _FILES:
            raise ValueError(f"format {facts['format']}, this program writes {FORMAT}")
        history = tuple(EpochRecord.from_json(record) for record in facts["history"])
        position = TrainState(int(facts["epoch"]), int(facts["step"]), float(facts["loss"]), history)
        return SavedState(folder, position, int(facts["steps"]), dict(facts["fingerprint"]), folder / facts["file"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _broken(path, error) from error


def remove(run: Path) -> None:
    """Forget the state of a run that has finished."""
    (run / STATE / _FACTS).unlink(missing_ok=True)  # first: without it there is no state, whatever else remains
    shutil.rmtree(run / STATE, ignore_errors=True)


def _restore_moments(network: nn.Module, optimizer: AdamW, tensors: Mapping[str, Tensor]) -> None:
    order = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    names = {parameter: name for name, parameter in network.named_parameters()}
    state: dict[int, dict[str, Tensor]] = {}
    for index, parameter in enumerate(order):
        keys = {kind: f"{kind}:{names[parameter]}" for kind in _MOMENTS}
        found = {kind: tensors[key].clone() for kind, key in keys.items() if key in tensors}
        if found:
            state[index] = found
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _named_file(folder: Path) -> str | None:
    try:
        return str(json.loads((folder / _FACTS).read_text(encoding="utf-8"))["file"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _sweep(folder: Path, *, keep: Iterable[str]) -> None:
    """Remove the state before, and what a killed process left half written."""
    for path in folder.iterdir():
        if path.name not in keep:
            path.unlink()


def _broken(path: Path, error: Exception) -> SsmiError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return StaleArtifactError(f"{path}: not of this version ({reason})", next_step="train anew without --resume")

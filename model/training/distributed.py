"""Training in several processes, one a GPU, started by torchrun; torch's DistributedDataParallel does the work.

Every process holds the whole network and the whole shards, and takes its rows of every batch. The gradient that they
agree on is that of the whole batch, so a run means the same in any number of processes. The first process alone scores,
writes and talks. All of them see one run folder. Without torchrun everything here is the plain thing itself.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from ssmi.model import hardware
from ssmi.model.data.boundaries import Ids
from ssmi.model.training.interrupts import Interrupted
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError, SsmiError

_PATIENCE = timedelta(hours=12)
"""How long a process waits for another: longer than scoring and writing ever take, which the first does alone."""


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """One process among those that train together."""

    rank: int
    """From 0."""
    world: int
    """How many there are."""
    local_world: int
    """How many of them share this machine."""
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this one scores, writes and talks."""
        return self.rank == 0

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network as it is called in training: afterwards every process holds the first one's weights."""
        if self.world == 1:
            return network
        return DistributedDataParallel(network)

    def shard(self, rows: Ids) -> tuple[Ids, float]:
        """Its own rows of a batch, and the weight of their losses: 0 where it only keeps the others company."""
        own = rows[self.rank :: self.world]
        return (own, 1.0) if len(own) else (rows[:1], 0.0)

    def all_reduce(self, *numbers: float) -> list[float]:
        """Each number, summed over the processes."""
        if self.world == 1:
            return list(numbers)
        sums = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        dist.all_reduce(sums)
        return [float(number) for number in sums.tolist()]

    def broadcast(self, text: str) -> str:
        """The first process's text, in every process."""
        if self.world == 1:
            return text
        letters = torch.tensor(list(text.encode()), dtype=torch.uint8, device=self.device)
        size = torch.tensor([len(letters)], device=self.device)
        dist.broadcast(size, src=0)
        if not self.is_main:
            letters = torch.empty(int(size), dtype=torch.uint8, device=self.device)
        dist.broadcast(letters, src=0)
        return bytes(letters.tolist()).decode()

    def gather(self, own: Tensor) -> list[Tensor]:
        """Every process's tensor, of one shape, in their order."""
        if self.world == 1:
            return [own]
        own = own.to(self.device)
        found = [torch.empty_like(own) for _ in range(self.world)]
        dist.all_gather(found, own)
        return [tensor.cpu() for tensor in found]


def is_alone() -> bool:
    """Whether this process was started without others."""
    return _number("WORLD_SIZE", 1) == 1


def is_first() -> bool:
    """Whether this process is the one that talks, asked before or after training."""
    return is_alone() or _number("RANK", 0) == 0


@contextmanager
def join(device: str) -> Iterator[ProcessGroup]:
    """Join the processes that torchrun started; alone without it.

    device: as ``hardware.choose_device`` takes it; with several processes every one gets a GPU of its own.
    The processes stay joined until they end: another training in them goes on with the same group.
    Raises what choose_device raises, ParameterError for one GPU named for all, SsmiError for half a torchrun and for
    another kind of device than that of the training before.
    """
    world, local_world = _number("WORLD_SIZE", 1), _number("LOCAL_WORLD_SIZE", 1)
    if world == 1:
        yield ProcessGroup(0, 1, 1, hardware.choose_device(device))
        return
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise SsmiError(
            f"WORLD_SIZE is {world}, but {', '.join(missing)} not set",
            next_step="start with torchrun, or unset WORLD_SIZE",
        )
    chosen = _own_device(device, local_rank=_number("LOCAL_RANK", 0), local_world=local_world)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    _meet("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield ProcessGroup(_number("RANK", 0), world, local_world, chosen)
    except Interrupted:
        dist.barrier()
        raise
    # Not after an error: nobody may wait for processes that are gone; torchrun ends the others.
    dist.barrier()


def _meet(backend: str) -> None:
    """Find the others, once for all trainings of this process."""
    if not dist.is_initialized():
        dist.init_process_group(backend, timeout=_PATIENCE)
        atexit.register(dist.destroy_process_group)
    elif dist.get_backend() != backend:
        raise SsmiError(
            f"these processes are joined by {dist.get_backend()}, this training needs {backend}",
            next_step="start processes of their own for it",
        )


def _own_device(name: str, *, local_rank: int, local_world: int) -> torch.device:
    chosen = hardware.choose_device(name)
    if chosen.type == "cpu" or (":" in name and local_world == 1):
        return chosen
    if ":" in name:
        raise ParameterError(
            f"train.device: {name} is one GPU, but {local_world} processes run here", next_step="-S train.device=auto"
        )
    if torch.cuda.device_count() < local_world:
        raise MissingResourceError(
            f"{local_world} processes run here, but torch sees {torch.cuda.device_count()} GPUs",
            next_step="one process a GPU (torchrun --nproc-per-node), or -S train.device=cpu",
        )
    return torch.device("cuda", local_rank)


def _number(name: str, default: int) -> int:
    try:
        return int(os.environ.get(name) or default)
    except ValueError:
        raise SsmiError(f"{name} is {os.environ[name]!r}, not a number", next_step="start with torchrun") from None

"""Training in several processes, one per GPU, started by torchrun, with torch's DistributedDataParallel.

Every process holds the whole network and the whole shards and computes its rows of every batch. The combined gradient
is that of the whole batch, so that a run means the same with any number of processes; except with ``model.gmi:
infonce-batch``, where each process takes the negatives from its own rows. Only the first process scores, writes and
reports. All processes share one run folder. Without torchrun nothing is exchanged.
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
from ssmi.pipeline.contract.text.wording import counted

_TIMEOUT = timedelta(hours=12)
"""How long a process waits for another: longer than the first process ever takes to score and write."""


@dataclass(frozen=True, slots=True)
class WorkerGroup:
    """The processes that train together, as one of them sees them.

    Attributes:
        rank: The number of this process, from 0.
        world_size: The number of processes.
        local_world_size: The number of processes on this machine.
        device: The device of this process.

    """

    rank: int
    world_size: int
    local_world_size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this process scores, writes and reports."""
        return self.rank == 0

    def wrap(self, network: nn.Module) -> nn.Module:
        """Return the module to call in training. Wrapping gives every process the weights of the first."""
        if self.world_size == 1:
            return network
        # Without device_ids, with which it would move its inputs: a batch is on the device already.
        return DistributedDataParallel(network)

    def shard(self, rows: Ids) -> tuple[Ids, float]:
        """Return the rows of a batch that this process computes.

        Args:
            rows: All rows of the batch. Shape: (batch,)

        Returns:
            The rows of this process and the weight of their losses. A process without rows gets the first row with
            weight 0, because DistributedDataParallel waits for a backward pass of every process.

        """
        # Every n-th row, not a block: a batch is sorted by length, so all processes get similar numbers of characters.
        share = rows[self.rank :: self.world_size]
        return (share, 1.0) if len(share) else (rows[:1], 0.0)

    def all_reduce(self, *numbers: float) -> list[float]:
        """Sum each number over the processes."""
        if self.world_size == 1:
            return list(numbers)
        # float64 is the precision of the inputs; a float32 sum would round them.
        sums = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        dist.all_reduce(sums)
        return [float(number) for number in sums.tolist()]

    def broadcast(self, text: str) -> str:
        """Return the first process's text in every process.

        Bytes are sent rather than objects: ``torch.distributed.broadcast_object_list`` pickles, and this project never
        unpickles, not even data of its own processes.
        """
        if self.world_size == 1:
            return text
        encoded = torch.tensor(list(text.encode()), dtype=torch.uint8, device=self.device)
        # The length goes first, because receivers must allocate exactly that many bytes.
        size = torch.tensor([len(encoded)], device=self.device)
        dist.broadcast(size, src=0)
        if not self.is_main:
            encoded = torch.empty(int(size), dtype=torch.uint8, device=self.device)
        dist.broadcast(encoded, src=0)
        return bytes(encoded.tolist()).decode()

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """Return the tensors of all processes, which must have one shape, by rank and on the CPU."""
        if self.world_size == 1:
            return [tensor]
        # NCCL only exchanges tensors on a GPU, and the state of a random generator is on the CPU.
        tensor = tensor.to(self.device)
        gathered = [torch.empty_like(tensor) for _ in range(self.world_size)]
        dist.all_gather(gathered, tensor)
        return [one.cpu() for one in gathered]


def is_alone() -> bool:
    """Return whether this process was started alone."""
    return _number("WORLD_SIZE", 1) == 1


def is_main_process() -> bool:
    """Return whether this process writes and reports; may be called before and after training."""
    return is_alone() or _number("RANK", 0) == 0


@contextmanager
def join(device: str) -> Iterator[WorkerGroup]:
    """Join the processes that torchrun started; without torchrun, form a group of one.

    The processes stay connected until they end, and a later training in them uses the same connection.

    Args:
        device: A device name for ``hardware.choose_device``. With several processes, each gets its own GPU.

    Yields:
        The group.

    Raises:
        ParameterError: No device has this name, or one GPU is named for several processes.
        MissingResourceError: There are not enough GPUs.
        SsmiError: Some of torchrun's variables are missing or not numbers, or an earlier training in these processes
            used another kind of device.

    """
    world_size, local_world_size = _number("WORLD_SIZE", 1), _number("LOCAL_WORLD_SIZE", 1)
    if world_size == 1:
        yield WorkerGroup(rank=0, world_size=1, local_world_size=1, device=hardware.choose_device(device))
        return
    _check_variables(world_size)
    chosen = _local_device(device, local_rank=_number("LOCAL_RANK", 0), local_world_size=local_world_size)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    _initialise("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield WorkerGroup(
            rank=_number("RANK", 0), world_size=world_size, local_world_size=local_world_size, device=chosen
        )
    # Raised in all processes after the same step; the others wait here while the first is still writing.
    except Interrupted:
        dist.barrier()
        raise
    # Not after an error: a process must not wait for processes that are gone. torchrun ends the others.
    dist.barrier()


def _check_variables(world_size: int) -> None:
    """Check that the variables needed to find the other processes are set."""
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise SsmiError(
            f"WORLD_SIZE is {world_size}, but {', '.join(missing)} not set",
            next_step="start with torchrun, or unset WORLD_SIZE",
        )


def _initialise(backend: str) -> None:
    """Connect to the other processes, once for all trainings in this process."""
    if not dist.is_initialized():
        dist.init_process_group(backend, timeout=_TIMEOUT)
        atexit.register(dist.destroy_process_group)
    elif dist.get_backend() != backend:
        raise SsmiError(
            f"these processes are connected by {dist.get_backend()}, this training needs {backend}",
            next_step="start new processes for it",
        )


def _local_device(name: str, *, local_rank: int, local_world_size: int) -> torch.device:
    chosen = hardware.choose_device(name)
    if chosen.type == "cpu" or (":" in name and local_world_size == 1):
        return chosen
    if ":" in name:
        raise ParameterError(
            f"train.device: {name} is one GPU, but {local_world_size} processes run here",
            next_step="-S train.device=auto",
        )
    if torch.cuda.device_count() < local_world_size:
        raise MissingResourceError(
            f"{local_world_size} processes run here, but torch sees {counted(torch.cuda.device_count(), 'GPU')}",
            next_step="run one process per GPU (torchrun --nproc-per-node), or -S train.device=cpu",
        )
    return torch.device("cuda", local_rank)


def _number(name: str, default: int) -> int:
    try:
        return int(os.environ.get(name) or default)
    except ValueError:
        raise SsmiError(f"{name} is {os.environ[name]!r}, not a number", next_step="start with torchrun") from None

"""The context that the parts of a training share, besides the network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ssmi.model.data.shards import Shards
from ssmi.model.training.distributed import WorkerGroup
from ssmi.model.training.interrupts import Interrupts
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.progress import Reporter


@dataclass(frozen=True, slots=True)
class TrainContext:
    """The shards, parameters, folder and processes of a training.

    Attributes:
        shards: The shards to train on.
        params: The parameters, with ``auto`` resolved.
        run: The run folder.
        reporter: Receives progress and notes; silent in all processes except the first.
        workers: The processes that train together.
        interrupts: The handler of Ctrl-C, SIGTERM and SIGHUP.

    """

    shards: Shards
    params: Params
    run: Path
    reporter: Reporter
    workers: WorkerGroup
    interrupts: Interrupts

"""What every part of a training works with, beside the network."""

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
        shards: What it trains on.
        params: With numbers where learning rates were ``auto``.
        run: The run folder.
        reporter: Told of progress; silent in all processes but the first.
        workers: The processes that train together.
        interrupts: Ctrl-C, SIGTERM and SIGHUP.

    """

    shards: Shards
    params: Params
    run: Path
    reporter: Reporter
    workers: WorkerGroup
    interrupts: Interrupts

"""The stages in the order they run, and building them for a data set."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.contract.errors import ParameterError, nearest
from pipeline.stages.stage import Stage, StageContext, is_current, run

STAGE_NAMES = ("vocab", "prepare", "segment", "embed", "selection", "pmi", "shards")


@dataclass(frozen=True)
class Built:
    """What became of one stage."""

    stage: Stage
    ran: bool


def get_stage(name: str) -> Stage:
    """A stage by name; its module is imported only now. Raises ParameterError for an unknown name."""
    if name not in STAGE_NAMES:
        raise ParameterError(f"unknown stage {name!r}", next_step=nearest(name, STAGE_NAMES))
    stage: Stage = importlib.import_module(f"pipeline.stages.{name}").STAGE
    return stage


def build(context: StageContext, *, force: bool) -> Iterator[Built]:
    """Run every stage that is not current (all of them with ``force``), telling of each as it ends."""
    for name in STAGE_NAMES:
        stage = get_stage(name)
        needed = force or not is_current(stage, context)
        if needed:
            context.reporter.note(f"{name}: {stage.summary}")
            run(stage, context)
        yield Built(stage, ran=needed)

"""The stages in the order they run, and building them for a data set."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ssmi.pipeline.contract.errors import ParameterError, SsmiError, nearest
from ssmi.pipeline.contract.parquet.tables import SPLITS
from ssmi.pipeline.contract.project.stages import STAGES
from ssmi.pipeline.stages.stage import Stage, StageContext, require_train
from ssmi.pipeline.stages.stored import is_current_anywhere, publish
from ssmi.pipeline.stages.up_to_date import run, sweep

STAGE_NAMES = tuple(STAGES)


@dataclass(frozen=True)
class Built:
    """What became of one stage."""

    stage: Stage
    ran: bool


def get_stage(name: str) -> Stage:
    """A stage by name; its module is imported only now. Raises ParameterError for an unknown name."""
    if name not in STAGE_NAMES:
        raise ParameterError(f"unknown stage {name!r}", next_step=nearest(name, STAGE_NAMES))
    stage: Stage = importlib.import_module(f"ssmi.pipeline.stages.{name}").STAGE
    return stage


def affected(sections: Iterable[str]) -> frozenset[str]:
    """The stages that read one of these sections of params.yaml, and all that read what those leave."""
    changed, stages = set(sections), set[str]()
    for name in STAGE_NAMES:
        stage = get_stage(name)
        if changed.intersection(stage.sections) or stages.intersection(stage.upstream):
            stages.add(name)
    return frozenset(stages)


def stages_of(context: StageContext) -> list[Stage]:
    """The stages that are built for this context, in order: all of them, or those of its variant."""
    names = STAGE_NAMES if context.variant is None else context.variant.stages
    return [get_stage(name) for name in STAGE_NAMES if name in names]


def build(context: StageContext, *, force: bool) -> Iterator[Built]:
    """Run every stage that is not current (all of them with ``force``), telling of each as it ends.

    Raises MissingResourceError before anything is built again where the data set has no train file.
    """
    if context.variant is None and context.corpus is None:
        files = get_stage("prepare").external_inputs(context)
        require_train(context.dataset, [split for split in SPLITS if any(f"/{split}/" in name for name in files)])
    for stage in stages_of(context):
        # Asked only when its turn comes: it depends on manifests that the stages before may just have written.
        needed = force or not is_current_anywhere(stage, context)
        if needed:
            context.reporter.note(f"{stage.name}: {stage.summary_for(context)}")
            needed = _run(stage, context)
        else:
            sweep(stage, context)
        yield Built(stage, ran=needed)


def _run(stage: Stage, context: StageContext) -> bool:
    """Run a stage and send it to storage; False where it failed and another machine has finished it meanwhile."""
    try:
        run(stage, context)
    except SsmiError:
        # Who finishes a stage removes the parts that lie in storage, also under another build's workers.
        if context.remote is None or not is_current_anywhere(stage, context):
            raise
        return False
    publish(stage, context)
    return True

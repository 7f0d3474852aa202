"""The stages in the order in which they run, and functions that build them for a data set."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ssmi.pipeline.contract.errors import ParameterError, SsmiError, name_hint
from ssmi.pipeline.contract.parquet.tables import SPLITS
from ssmi.pipeline.contract.project.stages import STAGES
from ssmi.pipeline.stages.running.stage import Stage, StageContext, require_train
from ssmi.pipeline.stages.running.stored import is_current_anywhere, publish
from ssmi.pipeline.stages.running.up_to_date import run, sweep

STAGE_NAMES = tuple(STAGES)


@dataclass(frozen=True)
class Built:
    """Outcome of one stage of a build."""

    stage: Stage
    ran: bool


def get_stage(name: str) -> Stage:
    """Import the module of a stage and return the stage. Raises ParameterError for an unknown name."""
    if name not in STAGE_NAMES:
        raise ParameterError(f"unknown stage {name!r}", next_step=name_hint(name, STAGE_NAMES))
    stage: Stage = importlib.import_module(f"ssmi.pipeline.stages.{name}").STAGE
    return stage


def affected(sections: Iterable[str]) -> frozenset[str]:
    """Find the stages that read one of these sections of params.yaml, and all stages downstream of them."""
    changed, stages = set(sections), set[str]()
    for name in STAGE_NAMES:
        stage = get_stage(name)
        if changed.intersection(stage.sections) or stages.intersection(stage.upstream):
            stages.add(name)
    return frozenset(stages)


def stages_of(context: StageContext) -> list[Stage]:
    """List the stages to build for a context, in order: all of them, or those of its variant."""
    names = STAGE_NAMES if context.variant is None else context.variant.stages
    return [get_stage(name) for name in STAGE_NAMES if name in names]


def build(context: StageContext, *, force: bool) -> Iterator[Built]:
    """Run every stage that is not current, or all stages with ``force``.

    Yields:
        The outcome of each stage, as it ends.

    Raises:
        MissingResourceError: The data set has no train file; raised before anything is built.
    """
    if context.variant is None and context.corpus is None:
        files = get_stage("prepare").external_inputs(context)
        require_train(context.dataset, [split for split in SPLITS if any(f"/{split}/" in name for name in files)])
    for stage in stages_of(context):
        # Checked only when the stage's turn comes, since earlier stages may just have written manifests it depends on.
        needed = force or not is_current_anywhere(stage, context)
        if needed:
            context.reporter.note(f"{stage.name}: {stage.summary_for(context)}")
            needed = _run(stage, context)
        else:
            sweep(stage, context)
        yield Built(stage, ran=needed)


def _run(stage: Stage, context: StageContext) -> bool:
    """Run a stage and send it to storage; return False if it failed here but another machine has finished it."""
    try:
        run(stage, context)
    except SsmiError:
        # The build that finishes a stage removes its parts from storage, even while another build's workers use them.
        if context.remote is None or not is_current_anywhere(stage, context):
            raise
        return False
    publish(stage, context)
    return True

"""Building features: every stage of a data set that is not current, or one stage, in this process or on workers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ssmi.dvc import commands
from ssmi.pipeline.contract.arguments import list_of
from ssmi.pipeline.contract.manifest import StageReport
from ssmi.pipeline.contract.storage.locks import locked
from ssmi.pipeline.executor import open_executor
from ssmi.pipeline.parts.share import Share
from ssmi.pipeline.stages.registry import build as build_stages
from ssmi.pipeline.stages.registry import get_stage
from ssmi.pipeline.stages.stage import StageContext
from ssmi.pipeline.stages.up_to_date import StageShare, run
from ssmi.pipeline.stages.up_to_date import run_share as run_stage_share
from ssmi.workspace import Workspace

State = Literal["built", "current"]


@dataclass(frozen=True, slots=True)
class StageState:
    """What became of one stage.

    Attributes:
        name: The stage.
        state: ``built`` just now, or ``current`` and left as it was.
        folder: Its output.

    """

    name: str
    state: State
    folder: Path


@dataclass(frozen=True, slots=True)
class FeatureBuild:
    """What became of a data set's stages.

    Attributes:
        dataset: The data set.
        stages: One item a stage, in the order in which they run.

    """

    dataset: str
    stages: tuple[StageState, ...]


def build(
    workspace: Workspace,
    dataset: str | None,
    *,
    workers: int,
    scheduler: str | None,
    overrides: Iterable[str],
    force: bool,
) -> FeatureBuild:
    """Run every stage that is not current, and tell DVC; see ``Project.build_features``."""
    overrides = list_of("overrides", overrides)
    with (
        building(workspace),
        _context(workspace, dataset, workers=workers, scheduler=scheduler, overrides=overrides) as context,
    ):
        built = list(build_stages(context, force=force))
        stages = tuple(
            StageState(one.stage.name, "built" if one.ran else "current", context.folder(one.stage.name))
            for one in built
        )
    # The current ones too: they may have been built where DVC did not hear of it.
    commands.record(workspace, context.dataset, [one.name for one in stages], overridden=bool(overrides))
    return FeatureBuild(context.dataset, stages)


def run_stage(
    workspace: Workspace,
    name: str,
    dataset: str | None,
    *,
    workers: int,
    scheduler: str | None,
    overrides: Iterable[str],
) -> StageReport:
    """Run one stage whether it is current or not, as ``dvc repro`` asks for; see ``Project.run_stage``."""
    with (
        building(workspace),
        _context(workspace, dataset, workers=workers, scheduler=scheduler, overrides=overrides) as context,
    ):
        return run(get_stage(name), context).report


def building(workspace: Workspace) -> AbstractContextManager[None]:
    """Keep other builds of the project waiting: all read one vocabulary, and a stage reads what others just wrote."""
    return locked(
        workspace.paths.lock("features"),
        what="the features of this project are being built",
        reporter=workspace.reporter,
    )


def run_share(
    workspace: Workspace,
    name: str,
    dataset: str | None,
    *,
    part: tuple[int, int],
    workers: int,
    scheduler: str | None,
    overrides: Iterable[str],
) -> StageShare:
    """Do one share of a stage's parts; see ``Project.run_stage``."""
    with _context(workspace, dataset, workers=workers, scheduler=scheduler, overrides=overrides) as context:
        return run_stage_share(get_stage(name), context, Share(*part))


@contextmanager
def _context(
    workspace: Workspace, dataset: str | None, *, workers: int, scheduler: str | None, overrides: Iterable[str]
) -> Iterator[StageContext]:
    params = workspace.params(overrides)
    name = workspace.dataset(dataset, params=params)
    with open_executor(workers=workers, scheduler=scheduler) as executor:
        yield StageContext(workspace.root, name, params, executor, workspace.reporter)

"""Build the features of a data set or corpus: all outdated stages, or a single one, in this process or on workers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ssmi.dvc import commands
from ssmi.pipeline.assets.corpora import find_corpus
from ssmi.pipeline.contract.arguments import check_executor_arguments, list_of
from ssmi.pipeline.contract.errors import ParameterError
from ssmi.pipeline.contract.manifest import StageReport
from ssmi.pipeline.contract.storage.locks import locked
from ssmi.pipeline.executor import open_executor
from ssmi.pipeline.parts.share import Share
from ssmi.pipeline.stages.corpora.fitted import check_like_is_built
from ssmi.pipeline.stages.corpora.names import check_corpus_name, check_not_a_corpus_name
from ssmi.pipeline.stages.running.registry import build as build_stages
from ssmi.pipeline.stages.running.registry import get_stage
from ssmi.pipeline.stages.running.stage import Corpus, StageContext
from ssmi.pipeline.stages.running.stored import fetch_all_stages, fetch_stages, publish
from ssmi.pipeline.stages.running.up_to_date import StageShare, run
from ssmi.pipeline.stages.running.up_to_date import run_share as run_stage_share
from ssmi.workspace import Workspace

State = Literal["built", "current"]


@dataclass(frozen=True, slots=True)
class StageState:
    """Outcome of one stage.

    Attributes:
        name: Name of the stage.
        state: ``built`` if the stage was run, ``current`` if it was up to date and left unchanged.
        folder: The stage's output folder.

    """

    name: str
    state: State
    folder: Path


@dataclass(frozen=True, slots=True)
class FeatureBuild:
    """Outcome of building the features of a data set or corpus.

    Attributes:
        dataset: Name of the data set or corpus.
        stages: The outcome of each stage, in the order in which stages run.

    """

    dataset: str
    stages: tuple[StageState, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """The data set or corpus whose features are built.

    Attributes:
        dataset: The data set; None for the first one in params.yaml.
        corpus: A corpus in place of a data set: its name, or its path or URL.
        like: The data set whose alignment map and pair weights the corpus uses; None for the first one in params.yaml.

    """

    dataset: str | None = None
    corpus: str | None = None
    like: str | None = None

    def __post_init__(self) -> None:
        """Raise ParameterError for arguments that exclude each other."""
        if self.dataset is not None and self.corpus is not None:
            raise ParameterError(
                f"both data set {self.dataset} and corpus {self.corpus} are given", next_step="give only one of them"
            )
        if self.like is not None and self.corpus is None:
            raise ParameterError(f"like {self.like}: is for a corpus", next_step="give a corpus too, or leave it out")


def build(
    workspace: Workspace,
    subject: Subject,
    *,
    workers: int,
    scheduler: str | None,
    overrides: Iterable[str],
    force: bool,
) -> FeatureBuild:
    """Run every stage that is not current, and record the result for DVC; see ``Project.build_features``."""
    overrides = list_of("overrides", overrides)
    with _context(
        workspace, subject, workers=workers, scheduler=scheduler, overrides=overrides, force=force
    ) as context:
        check_like_is_built(context)
        built = list(build_stages(context, force=force))
        stages = tuple(
            StageState(one.stage.name, "built" if one.ran else "current", context.folder(one.stage.name))
            for one in built
        )
    if context.corpus is None:
        # Current stages are recorded too: they may have been built without DVC.
        commands.record(workspace, context.dataset, [one.name for one in stages], overridden=bool(overrides))
    return FeatureBuild(context.dataset, stages)


def run_stage(
    workspace: Workspace,
    name: str,
    subject: Subject,
    *,
    workers: int,
    scheduler: str | None,
    overrides: Iterable[str],
) -> StageReport:
    """Run one stage whether it is current or not, as ``dvc repro`` requires; see ``Project.run_stage``."""
    with _context(workspace, subject, workers=workers, scheduler=scheduler, overrides=overrides) as context:
        stage = get_stage(name)
        _fetch_stage(context, stage.upstream)
        report = run(stage, context).report
        publish(stage, context)
        return report


def build_lock(workspace: Workspace) -> AbstractContextManager[None]:
    """Lock out other builds of the project: all share one vocabulary, and stages read what earlier stages wrote."""
    return locked(
        workspace.paths.lock("features"),
        what="the features of this project are being built",
        reporter=workspace.reporter,
    )


def run_share(
    workspace: Workspace,
    name: str,
    subject: Subject,
    *,
    part: tuple[int, int],
    workers: int,
    scheduler: str | None,
    overrides: Iterable[str],
) -> StageShare:
    """Process one share of a stage's parts; see ``Project.run_stage``."""
    with _context(
        workspace, subject, workers=workers, scheduler=scheduler, overrides=overrides, is_share=True
    ) as context:
        # The stage itself is included: if storage holds it finished, there is nothing to do.
        _fetch_stage(context, (*get_stage(name).upstream, name))
        return run_stage_share(get_stage(name), context, Share(*part))


def _fetch_stage(context: StageContext, stages: Iterable[str]) -> None:
    """Bring stages up to date with storage, where another machine may have rebuilt them."""
    if context.remote is not None:
        fetch_stages(context.remote, stages, context.dataset, paths=context.paths, reporter=context.reporter)


@contextmanager
def _context(
    workspace: Workspace,
    subject: Subject,
    *,
    workers: int,
    scheduler: str | None,
    overrides: Iterable[str],
    is_share: bool = False,
    force: bool = False,
) -> Iterator[StageContext]:
    """Yield the context in which stages run, under ``build_lock`` except for shares, which run at once."""
    check_executor_arguments(workers=workers, scheduler=scheduler)
    params = workspace.params(overrides)
    name = workspace.dataset(subject.dataset, params=params)
    corpus, remote = None, workspace.remote
    if subject.corpus is None:
        check_not_a_corpus_name(name, paths=workspace.paths, remote=remote)
    else:
        files = find_corpus(subject.corpus, root=workspace.root, listed=params.corpora, reporter=workspace.reporter)
        check_corpus_name(files, paths=workspace.paths, datasets=params.datasets, remote=remote, force=force)
        corpus, name = Corpus(files, workspace.dataset(subject.like, params=params)), files.name
    if remote is not None:
        remote.check(for_workers=scheduler is not None)
        if corpus is not None:
            fetch_all_stages(remote, corpus.like, paths=workspace.paths, reporter=workspace.reporter)
    # Only after the names are checked: a lock is a file, and a rejected request must not leave one behind.
    lock = nullcontext() if is_share else build_lock(workspace)
    with lock, open_executor(workers=workers, scheduler=scheduler) as executor:
        yield StageContext(workspace.root, name, params, executor, workspace.reporter, corpus=corpus, remote=remote)

"""What a stage is, and all that it may know where it works."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssmi.pipeline.assets.corpora import CorpusFiles
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import MissingResourceError
from ssmi.pipeline.contract.manifest import StageReport
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.parquet import tables
from ssmi.pipeline.contract.progress import Reporter
from ssmi.pipeline.contract.project.dataset_names import check_dataset_name
from ssmi.pipeline.contract.project.paths import ArtifactPaths
from ssmi.pipeline.contract.project.stages import STAGES
from ssmi.pipeline.executor import Executor, Result, Task, Work
from ssmi.pipeline.parts.unfinished import UnfinishedStage
from ssmi.pipeline.remote.filesystem import RemoteFolder


@dataclass(frozen=True)
class Variant:
    """Stages built once more, with other parameters, beside ``artifacts``; they read all other stages from there."""

    name: str
    folder: Path
    """Holds ``<stage>/<dataset>`` of each of them."""
    stages: frozenset[str]


@dataclass(frozen=True)
class Corpus:
    """Text without labels, in place of a data set."""

    files: CorpusFiles
    like: str
    """The data set whose map and pairs' weights its features are made with."""


@dataclass(frozen=True)
class StageContext:
    """All that a stage may know: the project, the data set, its parameters, where work runs, whom to tell."""

    root: Path
    dataset: str
    params: Params
    executor: Executor
    reporter: Reporter
    variant: Variant | None = None
    corpus: Corpus | None = None
    """Where ``dataset`` is the name of a corpus: its files."""
    unfinished: UnfinishedStage | None = None
    """Of the stage that runs; without one its parts are not kept."""
    remote: RemoteFolder | None = None
    """Storage in which stages lie too, finished and under way."""

    def __post_init__(self) -> None:
        """Refuse a name that could lead out of its stage's folder."""
        check_dataset_name(self.dataset)

    @property
    def paths(self) -> ArtifactPaths:
        """Where everything lies."""
        return ArtifactPaths(self.root)

    def folder(self, stage: str) -> Path:
        """``artifacts/<stage>/<dataset>``; the vocabulary is shared and lies in ``artifacts/vocab``."""
        variant = self.variant
        base = variant.folder if variant is not None and stage in variant.stages else None
        return self.paths.stage(stage, self.dataset, base=base)

    def digest(self, stage: str) -> str:
        """The digest of an upstream stage's manifest; raises MissingResourceError when it was not built."""
        # For its errors alone: what was not built, or by another schema version, is nothing to build on.
        manifests.load(self.folder(stage))
        return manifests.digest_file(self.folder(stage) / manifests.MANIFEST_NAME)

    def scratch(self) -> Path:
        """A folder outside every output, for what parts leave to one another; gone when the stage is finished."""
        return self.paths.scratch if self.unfinished is None else self.unfinished.scratch

    def map_tasks(
        self,
        function: Callable[[Task], Result],
        tasks: Sequence[Task],
        *,
        sizes: Sequence[int],
        label: str,
        unit: str = "sentences",
    ) -> Iterator[Result]:
        """Run a module-level function over tasks with this context's executor and reporter.

        A finished part is kept: where the stage is stopped, the next run of the same parameters and inputs takes its
        files, those below the stage's folder or ``scratch`` that the task names, and its result.

        Args:
            function: Takes one task; it may run in another process. What it is said to return must fit into JSON.
            tasks: Paths and small values, never tables or matrices; equal in every run of the same inputs.
            sizes: How many units of progress each task is.
            label: What progress is reported as.
            unit: What is counted.

        Returns:
            The results, in the order of ``tasks``.
        """
        work = Work(function=function, tasks=tasks, sizes=sizes, label=label, unit=unit)
        if self.unfinished is None:
            return self.executor.map(work, self.reporter)
        return self.unfinished.map(self.executor, work, self.reporter)


@dataclass(frozen=True)
class Stage:
    """A step of the pipeline; ``name`` is also its dvc.yaml key, CLI verb, params section and artifacts folder."""

    name: str
    version: int
    """Version of what the stage computes: raised when the same parameters and inputs would come to give another output,
    and then the stage is built again. ``tests/pipeline/stages/test_versions.py`` fails where that is forgotten."""
    sections: tuple[str, ...]
    """Sections of params.yaml it depends on."""
    upstream: tuple[str, ...]
    """Stages whose tables it reads."""
    external_inputs: Callable[[StageContext], Mapping[str, str]]
    """Inputs from outside ``artifacts`` → digest."""
    work: Callable[[StageContext, Path], StageReport]
    """Does the work into the given empty folder."""
    watched: tuple[str, ...] = ()
    """More of params.yaml, for DVC to watch: read in some settings only, and then told by ``external_inputs``."""
    in_parts: bool = True
    """Whether its work is in parts, so that it can be shared between processes that know nothing of each other."""

    @property
    def per_dataset(self) -> bool:
        """Whether every data set has its own output."""
        return STAGES[self.name].per_dataset

    @property
    def summary(self) -> str:
        """What it makes of what, in a line."""
        return STAGES[self.name].summary

    def summary_for(self, context: StageContext) -> str:
        """``summary`` as it is for a data set or for a corpus."""
        of_corpus = STAGES[self.name].of_corpus if context.corpus is not None else None
        return of_corpus or self.summary


def parts_of(folder: Path) -> list[tuple[str, int, Path]]:
    """(split, part number, path) of every part below a stage folder, train first."""
    return [
        (split, number, path)
        for split in tables.ALL_SPLITS
        for number, path in enumerate(tables.list_parts(folder, split))
    ]


def require_train(dataset: str, splits: Sequence[str]) -> None:
    """Refuse a data set that can only be scored: features would be fitted to, and counted on, nothing.

    ``splits``: the splits that it has. Raises MissingResourceError where train is not among them.
    """
    if "train" not in splits:
        raise MissingResourceError(
            f"data set {dataset}: no train file, only {' and '.join(splits)}; features are fitted on train",
            next_step=f"score a run on it: ssmi-cli evaluate --run RUN --dataset {dataset} --split {splits[-1]};"
            " to train on it put a train file beside the others",
        )


def splits_in(folder: Path) -> list[str]:
    """The splits of which a stage folder has parts."""
    return [split for split in tables.SPLITS if tables.list_parts(folder, split)]


def part_sizes(parts: Sequence[tuple[str, int, Path]]) -> list[int]:
    """Sentences in each part."""
    return tables.rows_of([path for _, _, path in parts])

"""The definition of a stage, and the context in which it works."""

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
    """Stages built again with other parameters, beside ``artifacts``; they read all other stages from ``artifacts``."""

    name: str
    folder: Path
    """Folder that holds ``<stage>/<dataset>`` for each of these stages."""
    stages: frozenset[str]


@dataclass(frozen=True)
class Corpus:
    """Text without labels that is used in place of a data set."""

    files: CorpusFiles
    like: str
    """Name of the data set whose map and pair weights the features are made with."""


@dataclass(frozen=True)
class StageContext:
    """Everything that a stage may use: project, data set, parameters, executor, reporter and storage."""

    root: Path
    dataset: str
    params: Params
    executor: Executor
    reporter: Reporter
    variant: Variant | None = None
    corpus: Corpus | None = None
    """The corpus, if ``dataset`` is the name of one."""
    unfinished: UnfinishedStage | None = None
    """Folders of the running stage; without them its finished parts are not kept."""
    remote: RemoteFolder | None = None
    """Storage that also holds stages, finished and in progress."""

    def __post_init__(self) -> None:
        """Refuse a data set name that could lead out of a stage's folder."""
        check_dataset_name(self.dataset)

    @property
    def paths(self) -> ArtifactPaths:
        """Paths of the project's artifacts."""
        return ArtifactPaths(self.root)

    def folder(self, stage: str) -> Path:
        """Folder of a stage: ``artifacts/<stage>/<dataset>``, or ``artifacts/vocab`` for the shared vocabulary.

        The stages of a variant are in the variant's folder instead of ``artifacts``.
        """
        variant = self.variant
        base = variant.folder if variant is not None and stage in variant.stages else None
        return self.paths.stage(stage, self.dataset, base=base)

    def digest(self, stage: str) -> str:
        """Compute the digest of an upstream stage's manifest.

        Raises:
            MissingResourceError: The stage is not built.
            StaleArtifactError: Another version built the stage, or its manifest has changed since.
        """
        # Loaded only for its errors: a stage that is not built, or built by another version, cannot be built on.
        manifests.load(self.folder(stage))
        return manifests.digest_file(self.folder(stage) / manifests.MANIFEST_NAME)

    def scratch(self) -> Path:
        """Folder outside every output for files that parts pass to one another; removed when the stage is finished."""
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

        Finished parts are kept: if the stage is stopped, the next run with the same parameters and inputs reuses a
        part's result and its files, which are those below the stage's folder or ``scratch`` that the task names.

        Args:
            function: Takes one task; it may run in another process. Its annotated return type must fit into JSON.
            tasks: Paths and small values, never tables or matrices; they must be equal in every run on the same inputs.
            sizes: Number of progress units of each task.
            label: Name of the work in progress reports.
            unit: Unit of progress.

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
    """Version of the stage's computation. Raise it when the same parameters and inputs give another output, so that the
    stage is built again; ``tests/pipeline/stages/test_versions.py`` fails if that is forgotten."""
    sections: tuple[str, ...]
    """Sections of params.yaml that the stage depends on."""
    upstream: tuple[str, ...]
    """Stages whose tables the stage reads."""
    external_inputs: Callable[[StageContext], Mapping[str, str]]
    """Returns the inputs from outside ``artifacts``: name → digest."""
    work: Callable[[StageContext, Path], StageReport]
    """Does the work and writes the output to the given folder, which is empty except for parts finished before."""
    watched: tuple[str, ...] = ()
    """More of params.yaml for DVC to watch: read in some settings only, and then covered by ``external_inputs``."""
    in_parts: bool = True
    """Whether the work is done in parts, so that independent processes can share it."""

    @property
    def per_dataset(self) -> bool:
        """Whether every data set has its own output."""
        return STAGES[self.name].per_dataset

    @property
    def summary(self) -> str:
        """What the stage reads and makes, in one line."""
        return STAGES[self.name].summary

    def summary_for(self, context: StageContext) -> str:
        """``summary``, in the wording for a corpus if the context is one."""
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
    """Refuse a data set without train, which can only be scored: features are fitted and counted on train.

    Args:
        dataset: Name of the data set.
        splits: The splits that it has.

    Raises:
        MissingResourceError: Train is not among the splits.
    """
    if "train" not in splits:
        raise MissingResourceError(
            f"data set {dataset}: no train file, only {' and '.join(splits)}; features are fitted on train",
            next_step=f"score a run on it: ssmi-cli evaluate --run RUN --dataset {dataset} --split {splits[-1]};"
            " to train on it put a train file beside the others",
        )


def splits_in(folder: Path) -> list[str]:
    """List the splits that have parts in a stage folder."""
    return [split for split in tables.SPLITS if tables.list_parts(folder, split)]


def part_sizes(parts: Sequence[tuple[str, int, Path]]) -> list[int]:
    """Count the sentences in each part."""
    return tables.row_counts([path for _, _, path in parts])

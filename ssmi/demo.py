"""The demonstration: run ``dvc repro`` on the default data set and summarise the result.

The result is also kept as a DVC experiment: another processor builds other bytes than those recorded in the committed
dvc.lock, so the commit cannot restore them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ssmi.dvc import commands
from ssmi.model.evaluation.scoring import EntityCounts
from ssmi.model.runs.results import metrics_file
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import SsmiError
from ssmi.pipeline.contract.parquet.statistics import EmbedStatistics, PrepareStatistics, ShardsStatistics
from ssmi.workspace import Workspace

EXPERIMENT = "demo"
"""Name of the experiment that keeps the result."""


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demonstration built.

    Attributes:
        dataset: The data set.
        sentences: Number of sentences by split.
        n_segments: Number of distinct word segments.
        n_oov_segments: Number of distinct word segments outside the vocabulary.
        n_boundaries: Number of boundary words.
        scores: Entity counts over all types, by split.
        kept: Whether the result was kept as the experiment ``demo``.

    """

    dataset: str
    sentences: Mapping[str, int]
    n_segments: int
    n_oov_segments: int
    n_boundaries: int
    scores: Mapping[str, EntityCounts]
    kept: bool


def run_demo(workspace: Workspace) -> DemoResult:
    """Run ``dvc repro`` with its output on the screen, and keep the result as an experiment.

    Raises:
        SsmiError: ``dvc repro`` did not finish.

    """
    dataset = workspace.dataset(None)
    workspace.reporter.note(f"dvc repro: raw text → features → a tagger for {dataset!r}; a few minutes on two cores")
    # Not quiet: DVC prints what went wrong, and the error raised here only says that it failed.
    storage = {} if workspace.storage is None else {"SSMI_STORAGE": workspace.storage}
    if commands.run_dvc(workspace.root, ["repro"], quiet=False, more=storage):
        raise SsmiError("dvc repro did not finish", next_step="read its message above; `ssmi-cli doctor` helps")
    try:
        kept = commands.save_experiment(workspace.root, EXPERIMENT)
    except (SsmiError, OSError) as error:  # for example without git; the result is there nevertheless
        workspace.reporter.note(f"not kept as an experiment: {error}")
        kept = False
    return _result(workspace, dataset, kept=kept)


def _result(workspace: Workspace, dataset: str, *, kept: bool) -> DemoResult:
    prepare, embed, shards = (
        manifests.load(workspace.paths.stage(stage, dataset)) for stage in ("prepare", "embed", "shards")
    )
    segments = EmbedStatistics.of(embed)
    metrics = metrics_file.read(workspace.paths.run(dataset))
    return DemoResult(
        dataset,
        PrepareStatistics.of(prepare).sentences,
        segments.distinct_segments,
        segments.oov_segments,
        ShardsStatistics.of(shards).boundaries,
        {split: scores.overall for split, scores in metrics.by_split.items()},
        kept,
    )

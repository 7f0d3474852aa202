"""Comparison of two trained systems on the same sentences: the difference in F1, and whether it is significant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssmi.model.data.folds import fold_characters
from ssmi.model.data.shards import characters_of
from ssmi.model.evaluation.sentence_counts import SentenceCounts, count
from ssmi.model.evaluation.significance import ALL, LEVEL, RESAMPLES, Difference, System, compare, first_difference
from ssmi.model.runs.checkpoint import checkpoint_files
from ssmi.model.runs.checkpoint.checkpoint_files import CheckpointMetadata
from ssmi.model.runs.files import CHECKPOINT, METADATA, SHARDS, require_checkpoint
from ssmi.model.runs.fingerprint import SEED
from ssmi.model.runs.results import counts_file
from ssmi.model.split_tagging import fold_of, tag_split
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.arguments import checked
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError, StaleArtifactError
from ssmi.pipeline.contract.label_groups import LabelGroups
from ssmi.pipeline.contract.parameters.limits import MIN_RESAMPLES
from ssmi.pipeline.contract.parquet.statistics import ShardsStatistics
from ssmi.pipeline.contract.progress import Reporter, Silent
from ssmi.pipeline.contract.project.paths import ArtifactPaths
from ssmi.pipeline.contract.text.wording import counted
from ssmi.runs.lookup import check_split, nearest_project, note_if_unfinished
from ssmi.workspace import Workspace

__all__ = ["Comparison", "Difference", "compare_runs", "runs_in"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Difference in F1 between a system and a base on one split."""

    split: str
    n_sentences: int
    seeds: tuple[int, ...]
    base_seeds: tuple[int, ...]
    n_resamples: int
    level: float
    """Confidence level of the intervals: 0.95."""
    overall: Difference
    by_type: Mapping[str, Difference]
    """Difference for each entity type, by name, then for each group of types that the data set's record declares."""

    def __repr__(self) -> str:
        """Return F1 of both systems and the interval of the difference, in one line."""
        one = self.overall
        interval = f"{100 * self.level:.0f} % interval [{100 * one.low:+.2f}, {100 * one.high:+.2f}]"
        return f"<Comparison on {self.split}: F1 {100 * one.f1:.2f} against {100 * one.base_f1:.2f}, {interval}>"

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as JSON values; scores are ratios from -1 to 1."""
        return {
            "split": self.split,
            "n_sentences": self.n_sentences,
            "seeds": list(self.seeds),
            "base_seeds": list(self.base_seeds),
            "n_resamples": self.n_resamples,
            "level": self.level,
            "overall": self.overall.to_json(),
            "by_type": {name: one.to_json() for name, one in self.by_type.items()},
        }


@checked
def compare_runs(
    run: str | Path,
    base: str | Path,
    *,
    split: str = "dev",
    n_resamples: int = RESAMPLES,
    project: str | Path | None = None,
    storage: str | None = None,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> Comparison:
    """Compute the difference in F1 between two systems, with a paired bootstrap interval over sentences (and seeds).

    A system is a run folder, or a folder with the runs of several seeds as written by ``ssmi-cli ablate``. Runs without
    stored counts of the split, because training did not score it, are scored first.

    Args:
        run: The system to assess.
        base: The system to compare it with.
        split: The split whose sentences are compared.
        n_resamples: Number of bootstrap resamples for the intervals.
        project: The project folder whose ``artifacts/`` contain the shards; None for the nearest folder with
            params.yaml above the run, else above the working folder.
        storage: URL of shared storage for the features, used if a run without counts must be scored.
        device: Device on which runs without counts are scored.
        reporter: Receives progress and notes; None for silence.

    Returns:
        The difference in F1, ``run`` minus ``base``, over all entities and by type, with intervals.

    Raises:
        MissingResourceError: There is no run, or there are no shards to score it on.
        ParameterError: The runs in a folder differ in more than their seed, or there are fewer than 100 resamples.
        StaleArtifactError: The two systems were scored on different sentences.

    """
    reporter = reporter or Silent()
    root = None if project is None else Path(project)
    check_split(split)
    if n_resamples < MIN_RESAMPLES:
        raise ParameterError(
            f"n_resamples: {n_resamples} is not in the range x>={MIN_RESAMPLES}", next_step=f"give {RESAMPLES:,}"
        )

    def score(run: Path) -> SentenceCounts:
        return _score(run, split, Workspace(root or nearest_project(run), reporter, storage), device=device)

    systems = [_system(Path(folder), split, score, reporter=reporter) for folder in (run, base)]
    system, other = systems
    _check_sentences(system.counted, other.counted, split, names=(str(run), str(base)))
    by_type = compare(system, other, label_groups=_label_groups(Path(run)), n_resamples=n_resamples)
    return Comparison(
        split,
        len(system.counted.sentences),
        tuple(system.runs),
        tuple(other.runs),
        n_resamples,
        LEVEL,
        by_type.pop(ALL),
        by_type,
    )


def runs_in(folder: Path) -> dict[int, Path]:
    """Return seed → run folder: the folder itself if it is a run, else the runs of several seeds in it.

    The folder of a configuration of ``ablate`` is accepted if its runs have a single setting. The errors are those of
    ``compare_runs``.
    """
    if (folder / CHECKPOINT).is_dir() or not folder.is_dir():
        require_checkpoint(folder)
        return {_seed(checkpoint_files.read_metadata(folder / CHECKPOINT)): folder}
    inner = sorted(path for path in folder.iterdir() if path.is_dir())
    runs = [path for path in inner if (path / CHECKPOINT / METADATA).is_file()]
    settings = [path for path in inner if path not in runs and any(path.glob(f"*/{CHECKPOINT}/{METADATA}"))]
    if not runs and len(settings) == 1:
        return runs_in(settings[0])
    if not runs and settings:
        raise ParameterError(
            f"{folder}: runs of {len(settings)} settings: {', '.join(path.name for path in settings)}",
            next_step="name the folder of one of them; params.json in each says what it is",
        )
    if not runs:
        raise MissingResourceError(f"{folder}: no run in it", next_step="name a run folder, or one that holds runs")
    return _by_seed(folder, runs)


def _label_groups(folder: Path) -> LabelGroups:
    """Return the groups of entity types declared in the shards of a folder's runs."""
    run = next(iter(runs_in(folder).values()))
    return ShardsStatistics.of(manifests.load(run / CHECKPOINT / SHARDS)).label_groups


def _by_seed(folder: Path, runs: list[Path]) -> dict[int, Path]:
    facts = {path: checkpoint_files.read_metadata(path / CHECKPOINT) for path in runs}
    first = facts[runs[0]].fingerprint
    for path in runs[1:]:
        differing = first.differing(facts[path].fingerprint)
        if differing != [SEED]:
            raise ParameterError(
                f"{folder}: {runs[0].name} and {path.name} are not one system with two seeds"
                f" (differing: {', '.join(differing) or 'nothing'})",
                next_step="name run folders, or a folder with the runs of one system",
            )
    return dict(sorted((_seed(one), path) for path, one in facts.items()))


def _seed(facts: CheckpointMetadata) -> int:
    return facts.fingerprint.seed


def _system(folder: Path, split: str, score: Callable[[Path], SentenceCounts], *, reporter: Reporter) -> System:
    folders = runs_in(folder)
    for run in folders.values():
        note_if_unfinished(run, reporter)
    runs = {seed: counts_file.read(run, split) or score(run) for seed, run in folders.items()}
    first, *others = runs.values()
    for other in others:
        _check_sentences(first, other, split, names=(f"one run of {folder}", "another"))
    return System(runs)


def _score(run: Path, split: str, workspace: Workspace, *, device: str) -> SentenceCounts:
    workspace.reporter.note(f"{run}: no counts of {split} kept, so it is tagged now")
    dataset = manifests.load(run / CHECKPOINT / SHARDS).dataset or ""
    workspace.fetch_features(dataset)
    shards = _shards_of(run, dataset, workspace.paths)
    tagged = tag_split(run=run, shards=shards, split=split, device=device, reporter=workspace.reporter)
    fold = fold_of(run, tagged.shards, split)
    # For a run of a fold, dev is the fold, not the data set's dev.
    characters = fold_characters(tagged.shards, split, fold) if fold else characters_of(tagged.shards, split)
    return count(characters, tagged.gold, tagged.predicted.spans)


def _shards_of(run: Path, dataset: str, paths: ArtifactPaths) -> Path:
    """Return the shards that a run was trained on; if they are gone, those of its data set, which are then checked."""
    built = paths.shards(dataset)
    wanted = checkpoint_files.read_metadata(run / CHECKPOINT).shards
    for folder in (built, *paths.ablation_shards(dataset)):
        path = folder / manifests.MANIFEST_NAME
        if path.is_file() and manifests.digest_file(path) == wanted:
            return folder
    return built


def _check_sentences(one: SentenceCounts, other: SentenceCounts, split: str, *, names: tuple[str, str]) -> None:
    index = first_difference(one, other)
    if index is not None:
        sizes = f"{len(one.sentences):,} and {counted(len(other.sentences), 'sentence')}"
        raise StaleArtifactError(
            f"{names[0]} and {names[1]} were scored on different sentences of {split}: number {index + 1} is not the "
            f"same in text and gold entities ({sizes})",
            next_step="compare runs on one data set, prepared alike",
        )

"""Building the report's page from a run and the artifacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from ssmi.model.data.folds import PARTS, Fold
from ssmi.model.data.shards import characters_of
from ssmi.model.evaluation.error_analysis import KINDS, confusion
from ssmi.model.network.requirements import required_features
from ssmi.model.runs.checkpoint import checkpoint_files
from ssmi.model.runs.files import CHECKPOINT, HISTORY, METRICS
from ssmi.model.runs.results import history as histories
from ssmi.model.split_tagging import Tagged, tag_split
from ssmi.pipeline.contract.errors import ParameterError
from ssmi.pipeline.contract.progress import Reporter
from ssmi.pipeline.contract.project.paths import ArtifactPaths
from ssmi.pipeline.contract.text.wording import counted
from ssmi.report import content, figures
from ssmi.report.content import KIND_NAMES, Fact, PageContent
from ssmi.report.error_list import list_errors
from ssmi.report.feature_statistics import FeatureStatistics, query_features, recall_by_type
from ssmi.report.page import render


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """The errors of a split.

    Attributes:
        by_kind: Kind (``type``, ``span``, ``missed``, ``spurious``) → number of errors.
        n_with_errors: Number of sentences with at least one error.
        n_sentences: Number of sentences in the split.
    """

    by_kind: Mapping[str, int]
    n_with_errors: int
    n_sentences: int

    @property
    def total(self) -> int:
        """Number of errors of all kinds."""
        return sum(self.by_kind.values())

    def __str__(self) -> str:
        """Return the counts in one line."""
        kinds = ", ".join(f"{self.by_kind[kind]:,} {KIND_NAMES[kind]}" for kind in KINDS)
        sentences = f"{self.n_with_errors:,} of {counted(self.n_sentences, 'sentence')}"
        return f"{counted(self.total, 'error')} in {sentences}: {kinds}"


@dataclass(frozen=True, slots=True)
class Page:
    """The page and its main figures."""

    html: str
    f1: float
    """F1 on the split, from 0 to 1."""
    errors: ErrorCounts


def build(
    *,
    run: Path,
    title: str,
    run_name: str,
    paths: ArtifactPaths,
    dataset: str,
    split: str,
    device: str,
    reporter: Reporter,
) -> Page:
    """Tag a split with a run, and make the page about it.

    Args:
        run: The run folder.
        title: Title of the page.
        run_name: Name of the run on the page; it should not contain a path of this machine.
        paths: Paths of the project's artifacts.
        dataset: Name of the data set.
        split: ``train``, ``dev`` or ``test``.
        device: ``auto``, ``cpu`` or ``cuda``.
        reporter: Receives the progress of tagging.

    Returns:
        The page and its main figures. The same artifacts and tags give the same bytes.

    Raises:
        MissingResourceError: The run has no checkpoint, or the shards are not built.
        StaleArtifactError: The run does not belong to the shards, or history.csv has another version.
        ParameterError: The run was trained on one fold, and ``split`` is train or dev.
    """
    shards = paths.shards(dataset)
    _refuse_folds(run, split)
    tagged = tag_split(run=run, shards=shards, split=split, device=device, reporter=reporter, probabilities=True)
    predicted = tagged.predicted.spans
    errors = list_errors(
        shards=tagged.shards, split=split, labels=tagged.labels.entity_types, gold=tagged.gold, predicted=predicted
    )
    history = histories.read(run / HISTORY)
    manifest = tagged.shards.manifest
    features = query_features(paths=paths, dataset=dataset, split=split, shards=manifest)
    threshold = tagged.shards.statistics.feature_parameters.selection.threshold
    reads = required_features(tagged.params.model)
    page = PageContent(
        title=title,
        facts=_facts(tagged, run=run, run_name=run_name, n_epochs=len(history)),
        scores=tagged.scores,
        calibration=figures.calibration_panel(tagged.calibration),
        bins=[each for each in tagged.calibration.bins if each.n],
        epochs=figures.epochs_panel(history, best_epoch=tagged.best_epoch, split=split),
        confusion=content.confusion_table(confusion(zip(tagged.gold, predicted, strict=True))),
        features=[
            figures.cosines_panel(features, threshold=threshold),
            figures.candidates_panel(features, split=split),
        ],
        unknown=_unknown(features, tagged, characters=characters_of(tagged.shards, split)),
        errors=errors,
        reads=content.FeaturesRead(best=reads.best, set=reads.sets, local=reads.local),
    )
    by_kind = {str(kind): n for kind, n in errors.counts.items()}
    counts = ErrorCounts(by_kind, errors.n_sentences, tagged.scores.n_sentences)
    return Page(render(page), tagged.scores.overall.f1, counts)


def _refuse_folds(run: Path, split: str) -> None:
    """Reject train and dev of a run of one fold: errors and feature statistics on the page are of whole splits."""
    if split in PARTS and Fold.of(checkpoint_files.read_params(run / CHECKPOINT).train) is not None:
        raise ParameterError(
            f"{run}: a run of one fold, whose {split} is not the data set's, has no page",
            next_step=f"ssmi-cli evaluate --run {quote(str(run))} scores it, or report on the split test",
        )


def _facts(tagged: Tagged, *, run: Path, run_name: str, n_epochs: int) -> list[Fact]:
    params = tagged.params
    facts = [
        Fact("run", run_name),
        Fact("weights of epoch", f"{tagged.best_epoch} of {n_epochs}" if n_epochs else str(tagged.best_epoch)),
        Fact("sentences", f"{tagged.scores.n_sentences:,}"),
        Fact("encoder", f"{Path(params.encoder.name).name}, {params.model.encoder}"),
        Fact("boundary fused at", params.model.fusion),
        Fact("seed", str(params.train.seed)),
    ]
    if not (run / METRICS).is_file():
        facts.append(Fact("state", "unfinished run: its best weights so far"))
    return facts


def _unknown(
    features: FeatureStatistics, tagged: Tagged, *, characters: Sequence[Sequence[str]]
) -> content.UnknownEntities:
    in_vocabulary, in_train = (
        recall_by_type(set(known.rows), characters=characters, gold=tagged.gold, predicted=tagged.predicted.spans)
        for known in (features.in_vocabulary, features.in_train)
    )
    return content.unknown_entities(features, in_vocabulary=in_vocabulary, in_train=in_train)

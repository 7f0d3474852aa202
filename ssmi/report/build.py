"""From a run and the artifacts to the finished page."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from ssmi.model.data.shards import characters_of
from ssmi.model.evaluate import Tagged, tag_split
from ssmi.model.evaluation.error_analysis import KINDS, confusion
from ssmi.model.network.network import wanted
from ssmi.model.runs.files import METRICS
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.artifacts import ArtifactPaths
from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.contract.progress import Reporter
from ssmi.pipeline.contract.statistics import ShardsStatistics
from ssmi.report import error_list, features, page, sections

Sentences = Sequence[Sequence[Span]]
_HISTORY = ("epoch", "train_loss", "dev_precision", "dev_recall", "dev_f1")


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """The errors of a split.

    Attributes:
        by_kind: Kind (``type``, ``span``, ``missed``, ``spurious``) → number of errors.
        n_with_errors: Sentences with at least one.
        n_sentences: All sentences.

    """

    by_kind: Mapping[str, int]
    n_with_errors: int
    n_sentences: int

    @property
    def total(self) -> int:
        """Errors of all kinds."""
        return sum(self.by_kind.values())

    def __str__(self) -> str:
        """In one line."""
        kinds = ", ".join(f"{self.by_kind[kind]:,} {sections.KIND_NAMES[kind]}" for kind in KINDS)
        return f"{self.total:,} errors in {self.n_with_errors:,} of {self.n_sentences:,} sentences: {kinds}"


@dataclass(frozen=True, slots=True)
class Page:
    """The page, with the figures that it opens with."""

    html: str
    f1: float
    errors: ErrorCounts


def compose(
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
    """Tag the split and put everything on a page; the same artifacts and tags give the same bytes.

    Raises as ``model.evaluate.tag_split`` does, and StaleArtifactError for a history.csv of another form.
    """
    shards = paths.shards(dataset)
    tagged = tag_split(run=run, shards=shards, split=split, device=device, reporter=reporter, probabilities=True)
    scores, predicted = tagged.scores, tagged.predicted.spans
    errors = error_list.list_errors(
        shards=shards, split=split, labels=tagged.labels.entity_types, gold=tagged.gold, predicted=predicted
    )
    history = read_history(run / "history.csv")
    counts = ErrorCounts(errors.counts, errors.n_sentences, scores.n_sentences)
    html = {
        "facts": _facts(tagged, run=run, run_name=run_name, n_sentences=scores.n_sentences, n_epochs=len(history)),
        "tiles": sections.tiles(scores, errors.counts),
        "scores": sections.scores_by_type(scores),
        "calibration": sections.calibration(tagged.calibration),
        "epochs": sections.epochs(history, best_epoch=tagged.best_epoch, split=split),
        "confusion": sections.confusion_table(confusion(zip(tagged.gold, predicted, strict=True))),
        **_about_features(tagged, predicted, paths=paths, dataset=dataset, split=split),
        "note": _cut_note(counts.total, len(errors.document["errors"])),
    }
    reads = wanted(tagged.params.model)
    data = {
        **errors.document,
        "kinds": {kind: sections.KIND_NAMES[kind] for kind in KINDS},
        "reads": {"best": reads.best, "set": reads.sets, "local": reads.local},
    }
    return Page(page.fill(title=title, html=html, data=data), scores.overall.f1, counts)


def read_history(path: Path) -> list[dict[str, float]]:
    """The lines of history.csv; none where there is no file. Raises StaleArtifactError for another kind of file."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return [{name: float(row[name]) for name in _HISTORY} for row in csv.DictReader(stream)]
    except FileNotFoundError:
        return []
    except (KeyError, TypeError, ValueError) as error:
        raise StaleArtifactError(
            f"{path}: no history of this version ({error})", next_step="train again, or take the file away"
        ) from error


def _facts(tagged: Tagged, *, run: Path, run_name: str, n_sentences: int, n_epochs: int) -> str:
    params = tagged.params
    facts = [
        ("run", run_name),
        ("weights of epoch", f"{tagged.best_epoch} of {n_epochs}" if n_epochs else str(tagged.best_epoch)),
        ("sentences", f"{n_sentences:,}"),
        ("encoder", f"{Path(params.encoder.name).name}, {params.model.encoder}"),
        ("boundary fused at", params.model.fusion),
        ("seed", str(params.train.seed)),
    ]
    if not (run / METRICS).is_file():
        facts.append(("state", "unfinished run: its best weights so far"))
    return '<p class="facts">' + "".join(f"<span>{k} <b>{escape(v)}</b></span>" for k, v in facts) + "</p>"


def _about_features(
    tagged: Tagged, predicted: Sentences, *, paths: ArtifactPaths, dataset: str, split: str
) -> dict[str, str]:
    shards = paths.shards(dataset)
    manifest = manifests.load(shards)
    asked = features.ask(paths=paths, dataset=dataset, split=split, shards=manifest)
    characters = characters_of(shards, split)

    def recall(answer: features.Answer) -> Mapping[str, Any]:
        members = {(label, text) for label, text in answer.rows}
        return features.recall_by(members, characters=characters, gold=tagged.gold, predicted=predicted)

    return {
        "features": sections.cosines(
            asked.cosines, asked.best, threshold=ShardsStatistics.of(manifest).feature_parameters.selection.threshold
        )
        + sections.candidates(asked.candidates, split=split),
        "unknown": sections.unknown_by_type(
            recall(asked.known), asked.known.why_not or asked.seen.why_not, recall(asked.seen), asked.segments
        ),
    }


def _cut_note(n_errors: int, n_shown: int) -> str:
    return "" if n_shown == n_errors else f" Of {n_errors:,} errors the first {n_shown:,} are listed here."

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
from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.contract.progress import Reporter
from ssmi.pipeline.contract.statistics import ShardsStatistics
from ssmi.report import error_list, features, page, sections

Sentences = Sequence[Sequence[Span]]
_HISTORY = ("epoch", "train_loss", "dev_precision", "dev_recall", "dev_f1")


@dataclass(frozen=True, slots=True)
class Page:
    """The page, and what is said of it in a terminal."""

    html: str
    f1: float
    errors: str


def compose(
    *,
    run: Path,
    title: str,
    run_name: str,
    artifacts: Path,
    dataset: str,
    split: str,
    device: str,
    reporter: Reporter,
) -> Page:
    """Tag the split and put everything on a page; the same artifacts and tags give the same bytes.

    Raises as ``model.evaluation.evaluate`` does, and StaleArtifactError for a history.csv that is none.
    """
    shards = artifacts / "shards" / dataset
    tagged = tag_split(run=run, shards=shards, split=split, device=device, reporter=reporter, probabilities=True)
    scores, predicted = tagged.scores, tagged.predicted.spans
    errors = error_list.list_errors(
        shards=shards, split=split, labels=tagged.labels.entity_types, gold=tagged.gold, predicted=predicted
    )
    history = read_history(run / "history.csv")
    n_errors = sum(errors.counts.values())
    html = {
        "facts": _facts(tagged, run=run, run_name=run_name, n_sentences=scores.n_sentences, n_epochs=len(history)),
        "tiles": sections.tiles(scores, errors.counts),
        "scores": sections.scores_by_type(scores),
        "calibration": sections.calibration(tagged.calibration),
        "epochs": sections.epochs(history, best_epoch=tagged.best_epoch, split=split),
        "confusion": sections.confusion_table(confusion(zip(tagged.gold, predicted, strict=True))),
        **_about_features(tagged, predicted, artifacts=artifacts, dataset=dataset, split=split),
        "note": _cut_note(n_errors, len(errors.document["errors"])),
    }
    reads = wanted(tagged.params.model)
    data = {
        **errors.document,
        "kinds": {kind: sections.KIND_NAMES[kind] for kind in KINDS},
        "reads": {"best": reads.best, "set": reads.sets, "local": reads.local},
    }
    kinds = ", ".join(f"{errors.counts[kind]:,} {sections.KIND_NAMES[kind]}" for kind in KINDS)
    said = f"{n_errors:,} errors in {errors.n_sentences:,} of {scores.n_sentences:,} sentences: {kinds}"
    return Page(page.fill(title=title, html=html, data=data), scores.overall.f1, said)


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
    tagged: Tagged, predicted: Sentences, *, artifacts: Path, dataset: str, split: str
) -> dict[str, str]:
    shards = artifacts / "shards" / dataset
    fingerprint = manifests.load(shards)
    asked = features.ask(artifacts=artifacts, dataset=dataset, split=split, shards=fingerprint)
    characters = characters_of(shards, split)

    def recall(answer: features.Answer) -> Mapping[str, Any]:
        members = {(label, text) for label, text in answer.rows}
        return features.recall_by(members, characters=characters, gold=tagged.gold, predicted=predicted)

    return {
        "features": sections.cosines(
            asked.cosines, asked.best, threshold=ShardsStatistics.of(fingerprint).feature_parameters.selection.threshold
        )
        + sections.candidates(asked.candidates, split=split),
        "unknown": sections.unknown_by_type(
            recall(asked.known), asked.known.why_not or asked.seen.why_not, recall(asked.seen), asked.segments
        ),
    }


def _cut_note(n_errors: int, n_shown: int) -> str:
    return "" if n_shown == n_errors else f" Of {n_errors:,} errors the first {n_shown:,} are listed here."

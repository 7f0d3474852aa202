"""metrics.json, the scores of a finished run, and headline.json, the part of them that DVC compares."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ConfigDict, RootModel

from ssmi.model.evaluation.scoring import EntityCounts, Scores
from ssmi.model.runs import json_files
from ssmi.model.runs.files import HEADLINE, METRICS
from ssmi.model.runs.json_files import JsonBody
from ssmi.model.runs.results import result_files
from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.storage.replacing import writing


@dataclass(frozen=True, slots=True)
class RunMetrics:
    """The scores of a finished run.

    Attributes:
        by_split: Scores of ``dev``, then of ``test`` if it was scored.

    """

    by_split: Mapping[str, Scores]


class _Counts(JsonBody):
    """The form of ``EntityCounts.to_json``; the ratios follow from the counts and are not used on reading."""

    model_config = ConfigDict(strict=True)

    precision: float
    recall: float
    f1: float
    gold: int
    predicted: int
    correct: int

    @property
    def counts(self) -> EntityCounts:
        return EntityCounts(self.gold, self.predicted, self.correct)


class _Scores(_Counts):
    """The form of ``Scores.to_json``."""

    by_type: dict[str, _Counts]
    by_group: dict[str, _Counts]
    span: _Counts
    type_accuracy: float
    ill_formed: int
    n_sentences: int

    @property
    def scores(self) -> Scores:
        return Scores(
            self.counts,
            {name: one.counts for name, one in self.by_type.items()},
            {name: one.counts for name, one in self.by_group.items()},
            self.span.counts,
            self.ill_formed,
            self.n_sentences,
        )


class _MetricsFile(RootModel[dict[str, _Scores]]):
    """The content of metrics.json."""


def write(run: Path, metrics: RunMetrics) -> None:
    """Write both files of a run folder and the list of its result files; equal scores give equal bytes.

    metrics.json is written last, because it marks a finished run.
    """
    every = {split: scores.to_json() for split, scores in metrics.by_split.items()}
    headline = {
        split: {"precision": scores.overall.precision, "recall": scores.overall.recall, "f1": scores.overall.f1}
        for split, scores in metrics.by_split.items()
    }
    _write(run / HEADLINE, _text(headline))
    result_files.write(run, metrics=_text(every))
    _write(run / METRICS, _text(every))


def _text(body: object) -> bytes:
    return (json.dumps(body, ensure_ascii=False, indent=1) + "\n").encode()


def _write(path: Path, content: bytes) -> None:
    with writing(path) as temporary:
        temporary.write_bytes(content)


def read(run: Path) -> RunMetrics:
    """Read the scores of a finished run.

    Args:
        run: The run folder.

    Raises:
        StaleArtifactError: The file cannot be read, was changed after it was written, or is not valid.

    """
    path = run / METRICS
    result_files.check(run, path)
    try:
        body = json_files.read_plain(path, _MetricsFile)
    except (OSError, ValueError) as error:
        raise StaleArtifactError(
            f"{path}: cannot be read ({error})", next_step=f"remove {run} and train again, or restore the file"
        ) from None
    return RunMetrics({split: one.scores for split, one in body.root.items()})

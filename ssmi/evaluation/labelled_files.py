"""Scores of a tagger on a labelled file, comparing the reader's gold entities with those predicted for the text."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssmi.model.evaluation.calibration import Calibration, ScoredPrediction, calibrate, scored_predictions
from ssmi.model.evaluation.scoring import Scores, score
from ssmi.pipeline.contract.arguments import checked
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.contract.progress import Reporter, Silent
from ssmi.pipeline.features.text.blanks import visible_sentences
from ssmi.pipeline.readers import ReadReport, read_sentences
from ssmi.pipeline.readers.options import DEFAULT, ReadOptions
from ssmi.predict.tagger import Tagger


@dataclass(frozen=True, slots=True)
class FileScores:
    """Scores of a tagger on a labelled file."""

    scores: Scores
    """Precision, recall and F1; positions are compared in code points, even if the file's tokens are longer."""
    calibration: Calibration
    unknown_types: Mapping[str, int]
    """Number of gold entities of each type that the run was not trained on; they count as missed."""
    report: ReadReport
    """How the file was read: its format, and what was repaired or left out."""

    def __repr__(self) -> str:
        """Return the main scores, in one line."""
        return f"<FileScores of {self.report.path.name}: {self.scores.headline()}>"

    def to_json(self) -> dict[str, Any]:
        """Return what ``ssmi-cli evaluate --json`` prints for a file."""
        return {
            **self.scores.to_json(),
            "calibration": self.calibration.to_json(),
            "unknown_types": dict(self.unknown_types),
            "repairs": dict(self.report.repairs),
            "skipped": dict(self.report.skipped),
        }


@checked
def score_file(
    tagger: Tagger, path: str | Path, *, options: ReadOptions = DEFAULT, reporter: Reporter | None = None
) -> FileScores:
    """Tag the sentences of a labelled file and score the result against its gold entities.

    The text of a sentence is its characters joined, and its gold entities are those that shards would contain (without
    blanks at their edges).

    Args:
        tagger: The tagger to score.
        path: The file, in any format that ``prepare`` reads.
        options: Reading options that the file itself does not determine, such as its encoding.
        reporter: Receives progress; None for silence.

    Returns:
        Scores, calibration, gold entities of unknown types, and how the file was read.

    Raises:
        MissingResourceError: The file does not exist.
        InputDataError: The file violates its format; the message gives ``file:line``.

    """
    reporter = reporter or Silent()
    read, report = read_sentences(Path(path), options=options)
    # The tagger buffers texts until it has a batch; meanwhile their gold entities wait here.
    waiting: deque[list[Span]] = deque()

    def texts() -> Iterator[str]:
        for sentence in visible_sentences(read, report):
            waiting.append(list(sentence.entities))
            yield sentence.text

    gold: list[list[Span]] = []
    predicted: list[list[Span]] = []
    guessed: list[ScoredPrediction] = []
    with reporter.task(f"evaluate {Path(path).name}", total=0, unit="characters") as advance:
        for entities in tagger.stream(texts(), advance=advance):
            spans = waiting.popleft()
            tagged = [Span(one.start, one.end, one.label) for one in entities]
            guessed += scored_predictions(spans, tagged, [one.score for one in entities])
            gold.append(spans)
            predicted.append(tagged)
    scores = score(gold, predicted, groups=tagger.label_groups)
    return FileScores(scores, calibrate(guessed), _unknown(gold, tagger.labels.entity_types), report)


def _unknown(gold: Sequence[Sequence[Span]], known: Sequence[str]) -> dict[str, int]:
    counts = Counter(span.label for spans in gold for span in spans if span.label not in known)
    return dict(sorted(counts.items()))

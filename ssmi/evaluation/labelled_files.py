"""Scores of a tagger on any labelled file: gold entities as the readers give them, predicted ones as in any text."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssmi.model.evaluation.calibration import Calibration, Guess, calibrate, guesses
from ssmi.model.evaluation.scoring import Scores, score
from ssmi.pipeline.contract.arguments import checked
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.contract.progress import Reporter, Silent
from ssmi.pipeline.features.text.blanks import seen_sentences
from ssmi.pipeline.readers import ReadReport, read_sentences
from ssmi.pipeline.readers.options import DEFAULT, ReadOptions
from ssmi.predict.tagger import Tagger


@dataclass(frozen=True, slots=True)
class FileScores:
    """What a tagger came to on a file."""

    scores: Scores
    """Positions are compared in the text's code points, also where the file gives longer tokens."""
    calibration: Calibration
    unknown_types: Mapping[str, int]
    """Gold entities of each type that the run was not trained on: they count as missed."""
    report: ReadReport
    """How the file was read: its format, what was repaired or left out."""

    def __repr__(self) -> str:
        """The main figures, in one line."""
        return f"<FileScores of {self.report.path.name}: {self.scores.headline()}>"

    def to_json(self) -> dict[str, Any]:
        """What ``ssmi-cli evaluate --json`` says of it."""
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
    """Tag the sentences of a labelled file, of any format that ``prepare`` reads, and compare with its gold entities.

    A sentence is tagged as its characters joined, and its entities are those that shards would hold (without blanks at
    their edges). options: what the file does not say of itself.

    Raises MissingResourceError where there is no file, InputDataError with ``file:line`` where it breaks its format.
    """
    reporter = reporter or Silent()
    read, report = read_sentences(Path(path), options=options)
    # The tagger holds texts back until it has a batch: their gold entities wait here.
    waiting: deque[list[Span]] = deque()

    def texts() -> Iterator[str]:
        for sentence in seen_sentences(read, report):
            waiting.append(list(sentence.entities))
            yield sentence.text

    gold: list[list[Span]] = []
    predicted: list[list[Span]] = []
    guessed: list[Guess] = []
    with reporter.task(f"evaluate {Path(path).name}", total=0, unit="characters") as advance:
        for entities in tagger.stream(texts(), advance=advance):
            spans = waiting.popleft()
            tagged = [Span(one.start, one.end, one.label) for one in entities]
            guessed += guesses(spans, tagged, [one.score for one in entities])
            gold.append(spans)
            predicted.append(tagged)
    scores = score(gold, predicted, groups=tagger.label_groups)
    return FileScores(scores, calibrate(guessed), _unknown(gold, tagger.labels.entity_types), report)


def _unknown(gold: Sequence[Sequence[Span]], known: Sequence[str]) -> dict[str, int]:
    counts = Counter(span.label for spans in gold for span in spans if span.label not in known)
    return dict(sorted(counts.items()))

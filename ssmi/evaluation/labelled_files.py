"""Scores of a tagger on a labelled file, comparing the reader's gold entities with those predicted for the text."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssmi.model.evaluation.calibration import Calibration, ScoredPrediction, calibrate, scored_predictions
from ssmi.model.evaluation.scoring import Scores, score
from ssmi.pipeline.assets.folders import options_given
from ssmi.pipeline.contract.arguments import checked
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.contract.progress import Reporter, Silent
from ssmi.pipeline.features.text.blanks import visible_sentences
from ssmi.pipeline.readers import ReadReport, read_sentences
from ssmi.pipeline.readers.options import ReadOptions
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
    tagger: Tagger,
    path: str | Path,
    *,
    input_format: str | None = None,
    encoding: str | None = None,
    offsets: str | None = None,
    tag_map: str | Path | Mapping[str, str] | None = None,
    labels: Iterable[str] | None = None,
    reporter: Reporter | None = None,
) -> FileScores:
    """Tag the sentences of a labelled file and score the result against its gold entities.

    The text of a sentence is its characters joined, and its gold entities are those that shards would contain (without
    blanks at their edges). A ``dataset.yaml`` beside the file is not read.

    Args:
        tagger: The tagger to score.
        path: The file, in any format that ``prepare`` reads; for brat, a folder or a pair of files.
        input_format: The format of the file; None infers it from the file's name or its first lines.
        encoding: The encoding of the file; None uses that of its byte order mark, or UTF-8 without one.
        offsets: Unit of the offsets in the file: ``auto``, ``code-points`` or ``utf-16``; None for ``auto``.
        tag_map: The entity types to keep and their new names, or a YAML or JSON file that holds them.
        labels: The names of tags that the file gives as numbers.
        reporter: Receives progress; None for silence.

    Returns:
        Scores, calibration, gold entities of unknown types, and how the file was read.

    Raises:
        ParameterError: A format, encoding or other option is unknown.
        MissingResourceError: The file does not exist.
        InputDataError: The file violates its format; the message gives ``file:line``.

    """
    options = options_given(
        input_format=input_format, encoding=encoding, offsets=offsets, tag_map=tag_map, labels=labels
    )
    return score_read(tagger, Path(path), options, reporter=reporter or Silent())


def score_read(tagger: Tagger, path: Path, options: ReadOptions, *, reporter: Reporter) -> FileScores:
    """Score a tagger on a file that is read with the given options; see ``score_file``."""
    read, report = read_sentences(path, options=options)
    # The tagger buffers texts until it has a batch; meanwhile their gold entities wait here.
    waiting: deque[list[Span]] = deque()

    def texts() -> Iterator[str]:
        for sentence in visible_sentences(read, report):
            waiting.append(list(sentence.entities))
            yield sentence.text

    gold: list[list[Span]] = []
    predicted: list[list[Span]] = []
    guessed: list[ScoredPrediction] = []
    with reporter.task(f"evaluate {path.name}", total=0, unit="characters") as advance:
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

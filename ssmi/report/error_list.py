"""The errors with their sentences and features, in the form that the page's script expects."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa

from ssmi.model.data.boundaries import read_words
from ssmi.model.data.shards import Shards
from ssmi.model.evaluation.error_analysis import KINDS, ErrorKind, SpanError, find_span_errors
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.project.paths import BOUNDARIES_FILE

MAX_ERRORS = 5_000
"""Maximum number of listed errors, as a longer page opens slowly; the page says that it lists only the first errors."""
MARGIN = 2
"""Number of characters before and after an error whose features are shown."""
MAX_CHARACTERS = 60
"""Maximum number of characters per error whose features are shown."""
_COLUMNS = ("sentence_id", "characters", "best_ids", "best_cosines", "set_ids", "local_ids", "segment_starts")

Entity = tuple[int, int, int]
"""Start, end, and index of the label in ``ErrorList.labels``."""


class CharacterFeatures(NamedTuple):
    """The features of one character, with words as text and an empty string for no word."""

    position: int
    segment: str
    best: str
    cosine: float | None
    boundary_set: list[str]
    local: str


@dataclass(frozen=True, slots=True)
class ListedSentence:
    """A sentence that contains an error."""

    id: int
    text: list[str]
    """The characters of the sentence."""
    gold: list[Entity]
    predicted: list[Entity]


@dataclass(frozen=True, slots=True)
class ListedError:
    """An error in the form listed on the page."""

    kind: ErrorKind
    sentence: int
    """Index in ``ErrorList.sentences``."""
    start: int
    end: int
    gold: list[int]
    """Indices in the sentence's gold entities."""
    predicted: list[int]
    """Indices in the sentence's predicted entities."""
    rows: list[CharacterFeatures]


@dataclass(frozen=True, slots=True)
class ErrorList:
    """The errors of a split."""

    counts: Mapping[ErrorKind, int]
    """Number of errors by kind, listed or not."""
    n_sentences: int
    """Number of sentences with an error."""
    labels: Sequence[str]
    sentences: Sequence[ListedSentence]
    errors: Sequence[ListedError]

    @property
    def n_errors(self) -> int:
        """Number of errors, listed or not."""
        return sum(self.counts.values())


def list_errors(
    *,
    shards: Shards,
    split: str,
    labels: Sequence[str],
    gold: Sequence[Sequence[Span]],
    predicted: Sequence[Sequence[Span]],
    limit: int = MAX_ERRORS,
) -> ErrorList:
    """Find every error, and list the first errors with the features around them.

    Args:
        shards: The shards that were tagged.
        split: ``train``, ``dev`` or ``test``.
        labels: Names of all entity types.
        gold: Gold entities of each sentence, in the order of the split.
        predicted: Predicted entities of each sentence, in the same order.
        limit: Maximum number of listed errors.

    Returns:
        The counts of all errors, and the list.
    """
    errors = [find_span_errors(*spans) for spans in zip(gold, predicted, strict=True)]
    counted = Counter(error.kind for of_sentence in errors for error in of_sentence)
    shown = _first(errors, limit)
    features = _read_features(shards, split, list(shown))
    words = _read_words(shards, features)
    label_ids = {label: index for index, label in enumerate(labels)}
    sentences: list[ListedSentence] = []
    listed: list[ListedError] = []
    for (index, of_sentence), row in zip(shown.items(), features, strict=True):
        # Sorted, because an error refers to its entities by their indices in these lists.
        sides = sorted(gold[index]), sorted(predicted[index])
        listed += [_listed(error, len(sentences), sides, row, words) for error in of_sentence]
        entities = ([(span.start, span.end, label_ids[span.label]) for span in side] for side in sides)
        sentences.append(ListedSentence(row["sentence_id"], row["characters"], *entities))
    return ErrorList(
        counts={kind: counted[kind] for kind in KINDS},
        n_sentences=sum(map(bool, errors)),
        labels=labels,
        sentences=sentences,
        errors=listed,
    )


def _listed(
    error: SpanError,
    sentence: int,
    sides: tuple[Sequence[Span], Sequence[Span]],
    row: Mapping[str, Any],
    words: Mapping[int, str],
) -> ListedError:
    """List an error of a sentence given by its index; ``sides`` are its sorted gold and predicted entities."""
    gold, predicted = sides
    return ListedError(
        error.kind,
        sentence=sentence,
        start=error.start,
        end=error.end,
        gold=[gold.index(span) for span in error.gold],
        predicted=[predicted.index(span) for span in error.predicted],
        rows=_features_around(error, row, words),
    )


def _first(errors: Sequence[Sequence[SpanError]], limit: int) -> dict[int, Sequence[SpanError]]:
    """Return the first ``limit`` errors, by index of their sentence."""
    shown: dict[int, Sequence[SpanError]] = {}
    for index, of_sentence in enumerate(errors):
        if of_sentence[:limit]:
            shown[index] = of_sentence[:limit]
            limit -= len(shown[index])
    return shown


def _features_around(error: SpanError, row: Mapping[str, Any], words: Mapping[int, str]) -> list[CharacterFeatures]:
    first = max(0, error.start - MARGIN)
    last = min(len(row["characters"]), error.end + MARGIN, first + MAX_CHARACTERS)
    return [_features_of(position, row, words) for position in range(first, last)]


def _features_of(position: int, row: Mapping[str, Any], words: Mapping[int, str]) -> CharacterFeatures:
    starts = row["segment_starts"]
    segment = bisect_right(starts, position) - 1
    end = starts[segment + 1] if segment + 1 < len(starts) else len(row["characters"])
    best = row["best_ids"][position]
    return CharacterFeatures(
        position,
        segment="".join(row["characters"][starts[segment] : end]),
        best=words[best],
        cosine=round(float(row["best_cosines"][position]), 3) if best else None,
        boundary_set=[words[index] for index in row["set_ids"][position]],
        local=words[row["local_ids"][position]],
    )


def _read_features(shards: Shards, split: str, indices: Sequence[int]) -> list[dict[str, Any]]:
    """Read the rows of the sentences at ``indices`` of the split; only these are converted to Python values."""
    rows: list[dict[str, Any]] = []
    first = 0
    for path in shards.parts(split):
        part = tables.read_table(path, schema.SHARDS, columns=_COLUMNS, manifest=shards.manifest)
        in_part = [index - first for index in indices if first <= index < first + len(part)]
        rows += part.take(pa.array(in_part, type=pa.int64())).to_pylist()
        first += len(part)
    return rows


def _read_words(shards: Shards, rows: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """Return boundary id → word for the boundaries in ``rows``, and an empty string for id 0."""
    needed = {index for row in rows for name in ("best_ids", "local_ids") for index in row[name]}
    needed |= {index for row in rows for set_ids in row["set_ids"] for index in set_ids}
    words = read_words(shards.folder / BOUNDARIES_FILE, manifest=shards.manifest)
    return {0: "", **{index: word for index, word in words.items() if index in needed}}

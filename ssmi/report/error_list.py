"""The error list: each mistake with its sentence and the features there, as the page's script reads it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ssmi.model.evaluation.error_analysis import KINDS, Mistake, find_mistakes
from ssmi.pipeline.contract import schema, tables
from ssmi.pipeline.contract.labels import Span

MAX_ERRORS = 5_000
"""More would make a page that opens slowly; the first are kept, in the split's order, and the page says so."""
MARGIN = 2
"""Characters before and after a mistake whose features are shown."""
MAX_ROWS = 60
"""Characters of one mistake whose features are shown."""
_COLUMNS = ("sentence_id", "characters", "best_ids", "best_cosines", "set_ids", "local_ids", "segment_starts")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ErrorList:
    """What the page says of mistakes."""

    counts: dict[str, int]
    """Kind → how many; all of them, shown or not."""
    n_sentences: int
    """Sentences with a mistake."""
    document: Json
    """``labels``, ``sentences`` and ``errors``: see ``list_errors``."""


def list_errors(
    *,
    shards: Path,
    split: str,
    labels: Sequence[str],
    gold: Sequence[Sequence[Span]],
    predicted: Sequence[Sequence[Span]],
    most: int = MAX_ERRORS,
) -> ErrorList:
    """Every mistake, and the first ``most`` as a document that names labels and sentences by their indices in it.

    An error: ``kind, sentence, start, end``, the indices of its entities among the sentence's ``gold`` and
    ``predicted``, and ``rows``: [position, segment, best, cosine, set, local], words being texts, empty for none.
    """
    by_sentence = [find_mistakes(*spans) for spans in zip(gold, predicted, strict=True)]
    counts: dict[str, int] = {
        kind: sum(mistake.kind == kind for mistakes in by_sentence for mistake in mistakes) for kind in KINDS
    }
    shown: dict[int, list[Mistake]] = {}
    left = most
    for row, mistakes in enumerate(by_sentence):
        if mistakes[:left]:
            shown[row] = mistakes[:left]
            left -= len(shown[row])
    features = _features(shards, split, list(shown))
    words = _words(shards, features)
    label_index = {label: index for index, label in enumerate(labels)}
    document: Json = {"labels": list(labels), "sentences": [], "errors": []}
    for (row, mistakes), of_sentence in zip(shown.items(), features, strict=True):
        sides = {"gold": sorted(gold[row]), "predicted": sorted(predicted[row])}
        document["errors"] += [
            _error(mistake, len(document["sentences"]), sides, of_sentence, words) for mistake in mistakes
        ]
        document["sentences"].append(
            {
                "id": of_sentence["sentence_id"],
                "text": of_sentence["characters"],
                **{
                    side: [[span.start, span.end, label_index[span.label]] for span in spans]
                    for side, spans in sides.items()
                },
            }
        )
    return ErrorList(counts, sum(map(bool, by_sentence)), document)


def _error(mistake: Mistake, sentence: int, sides: dict[str, list[Span]], row: Json, words: dict[int, str]) -> Json:
    first = max(0, mistake.start - MARGIN)
    last = min(len(row["characters"]), mistake.end + MARGIN, first + MAX_ROWS)
    return {
        "kind": mistake.kind,
        "sentence": sentence,
        "start": mistake.start,
        "end": mistake.end,
        "gold": [sides["gold"].index(span) for span in mistake.gold],
        "predicted": [sides["predicted"].index(span) for span in mistake.predicted],
        "rows": [_features_of(position, row, words) for position in range(first, last)],
    }


def _features_of(position: int, row: Json, words: dict[int, str]) -> list[Any]:
    starts = row["segment_starts"]
    segment = bisect_right(starts, position) - 1
    end = starts[segment + 1] if segment + 1 < len(starts) else len(row["characters"])
    best = row["best_ids"][position]
    return [
        position,
        "".join(row["characters"][starts[segment] : end]),
        words[best],
        round(float(row["best_cosines"][position]), 3) if best else None,
        [words[index] for index in row["set_ids"][position]],
        words[row["local_ids"][position]],
    ]


def _features(shards: Path, split: str, rows: Sequence[int]) -> list[Json]:
    """The columns of ``rows`` (indices in the split) as plain rows; of a part only those are unpacked."""
    features: list[Json] = []
    first = 0
    for path in tables.list_parts(shards, split):
        part = tables.read_table(path, schema.SHARDS, columns=_COLUMNS)
        in_part = [row - first for row in rows if first <= row < first + len(part)]
        features += part.take(pa.array(in_part, type=pa.int64())).to_pylist()
        first += len(part)
    return features


def _words(shards: Path, features: Sequence[Json]) -> dict[int, str]:
    """Boundary id → word, of the boundaries that the features name; empty for 0."""
    wanted = {index for row in features for name in ("best_ids", "local_ids") for index in row[name]}
    wanted |= {index for row in features for ids in row["set_ids"] for index in ids}
    path = shards / "boundaries.parquet"
    width = pq.read_schema(path).field("vector").type.list_size
    table = tables.read_table(path, schema.boundaries(width), columns=["boundary_id", "word"])
    pairs = zip(table["boundary_id"].to_pylist(), table["word"].to_pylist(), strict=True)
    return {0: "", **{index: word for index, word in pairs if index in wanted}}

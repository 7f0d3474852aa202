"""Statistics of the features: cosines, candidates, and entities that are missing in the vocabulary or in train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Any

from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import SsmiError
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.contract.manifest import Manifest
from ssmi.pipeline.contract.project.paths import ArtifactPaths
from ssmi.pipeline.features.boundary_selection import HISTOGRAM_BINS
from ssmi.pipeline.inspect import warehouse

_MENTIONS = (
    "SELECT DISTINCT entity.label AS label, array_to_string(characters[entity.start + 1 : entity.end], '') AS text"
    " FROM (SELECT characters, unnest(entities) AS entity FROM shards WHERE split = '{split}')"
)
_CANDIDATES = """
SELECT CASE WHEN n_candidates = 0 THEN -1 ELSE floor(log2(n_candidates))::INTEGER END AS bin, count(*) AS n
FROM (SELECT unnest(selection_ids) AS selection_id FROM selection_ids WHERE split = '{split}')
JOIN selections USING (selection_id) GROUP BY bin ORDER BY bin
"""
_COSINES = f"""
SELECT least(round((cosine_from + 1) * 50), {HISTOGRAM_BINS - 1})::INTEGER AS bin, n_candidates
FROM cosines ORDER BY bin
"""
_BEST = f"""
SELECT least(floor((best_cosine + 1) * 50 + 1e-4), {HISTOGRAM_BINS - 1})::INTEGER AS bin, count(*) AS n
FROM selections WHERE best_id <> 0 GROUP BY bin ORDER BY bin
"""


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The rows of a query, or a sentence that explains why there are none."""

    rows: Sequence[tuple[Any, ...]] = ()
    why_omitted: str = ""


@dataclass(frozen=True, slots=True)
class FeatureStatistics:
    """Statistics of a split's features, from the artifacts of the stages.

    Attributes:
        cosines: (bin, count) of all candidates, over the distinct queries of all splits.
        best: (bin, count) of the best candidates, over the same queries.
        candidates: (floor of log2 of the number of candidates, or -1 for none; number of positions) in the split.
        segments: (number of occurrences, number of those outside the vocabulary) in the split.
        in_vocabulary: (label, text) of the split's gold entities whose text is a word of the vocabulary.
        in_train: (label, text) of the gold entities of train.
    """

    cosines: QueryResult
    best: QueryResult
    candidates: QueryResult
    segments: QueryResult
    in_vocabulary: QueryResult
    in_train: QueryResult


def query_features(*, paths: ArtifactPaths, dataset: str, split: str, shards: Manifest) -> FeatureStatistics:
    """Query the stage folders that the shards were built from.

    Args:
        paths: Paths of the project's artifacts.
        dataset: Name of the data set.
        split: ``train``, ``dev`` or ``test``.
        shards: Manifest of the shards that the run was scored on.

    Returns:
        The statistics. If a stage is not built, or was rebuilt after the shards, each statistic that needs it gives
        the reason instead of rows.
    """
    in_vocabulary = f"SELECT label, text FROM ({_MENTIONS.format(split=split)}) JOIN vocabulary ON word = text"
    segments = (
        f"SELECT sum(n_{split})::BIGINT, coalesce(sum(n_{split}) FILTER (boundary_id = 0), 0)::BIGINT"
        " FROM distinct_segments"
    )
    with warehouse.connect(paths.folder, dataset) as opened:

        def run(sql: str) -> QueryResult:
            return _run(opened, sql, paths=paths, dataset=dataset, shards=shards)

        return FeatureStatistics(
            cosines=run(_COSINES),
            best=run(_BEST),
            candidates=run(_CANDIDATES.format(split=split)),
            segments=run(segments),
            in_vocabulary=run(in_vocabulary),
            in_train=run(_MENTIONS.format(split="train")),
        )


def _run(opened: warehouse.Warehouse, sql: str, *, paths: ArtifactPaths, dataset: str, shards: Manifest) -> QueryResult:
    build = f"`ssmi-cli features build --dataset {quote(dataset)}`"
    try:
        views = opened.views_of(sql)
    except SsmiError:
        # The error message may contain paths of this machine, and the page may be sent to others.
        return QueryResult(why_omitted=f"Not shown: not every stage that this needs is built; {build} builds them.")
    # The shards themselves are those that the run was scored on.
    stages = {warehouse.VIEWS[view].partition("/")[0] for view in views} - {"shards"}
    for stage in sorted(stages):
        manifest = paths.stage(stage, dataset) / manifests.MANIFEST_NAME
        if manifests.digest_file(manifest) != shards.inputs.get(f"artifacts/{stage}"):
            return QueryResult(
                why_omitted=f"Not shown: the stage {stage} was built again since the shards; {build} rebuilds them."
            )
    return QueryResult(opened.run(sql).rows)


@dataclass(slots=True)
class Recall:
    """The number of gold entities of some kind, and how many of them were predicted correctly."""

    n: int = 0
    correct: int = 0

    @property
    def ratio(self) -> float | None:
        """Recall from 0 to 1; None without entities."""
        return self.correct / self.n if self.n else None

    def add(self, *, correct: bool) -> None:
        """Count an entity."""
        self.n += 1
        self.correct += correct


@dataclass(slots=True)
class SplitRecall:
    """Recall of one type, separately for known and unknown entities."""

    known: Recall
    unknown: Recall

    @property
    def n(self) -> int:
        """Number of gold entities of the type."""
        return self.known.n + self.unknown.n

    @property
    def unknown_share(self) -> float:
        """Share of unknown entities, from 0 to 1."""
        return self.unknown.n / (self.n or 1)


def recall_by_type(
    known: set[tuple[str, str]],
    *,
    characters: Sequence[Sequence[str]],
    gold: Sequence[Sequence[Span]],
    predicted: Sequence[Sequence[Span]],
) -> dict[str, SplitRecall]:
    """Count recall separately for known and unknown entities.

    Args:
        known: (type, text) of the entities that count as known.
        characters: Characters of each sentence.
        gold: Gold entities of each sentence.
        predicted: Predicted entities of each sentence.

    Returns:
        Type → its recall, in the order of type names.
    """
    by_type: dict[str, SplitRecall] = {}
    for sentence, gold_spans, predicted_spans in zip(characters, gold, predicted, strict=True):
        correct = set(predicted_spans)
        for span in gold_spans:
            recall = by_type.setdefault(span.label, SplitRecall(Recall(), Recall()))
            is_known = (span.label, "".join(sentence[span.start : span.end])) in known
            (recall.known if is_known else recall.unknown).add(correct=span in correct)
    return dict(sorted(by_type.items()))

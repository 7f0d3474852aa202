"""What the page says of features: cosines, candidates, and entities that the vocabulary or train does not know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Any

from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.artifacts import ArtifactPaths
from ssmi.pipeline.contract.errors import SsmiError
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.contract.manifest import Manifest
from ssmi.pipeline.inspect import warehouse

BINS = 100
"""Of the stored histogram of cosines: width 0.02 over [-1, 1]."""
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
SELECT least(round((cosine_from + 1) * 50), {BINS - 1})::INTEGER AS bin, n_candidates FROM cosines ORDER BY bin
"""
_BEST = f"""
SELECT least(floor((best_cosine + 1) * 50 + 1e-4), {BINS - 1})::INTEGER AS bin, count(*) AS n
FROM selections WHERE best_id <> 0 GROUP BY bin ORDER BY bin
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows, or the sentence that says why there are none."""

    rows: Sequence[tuple[Any, ...]] = ()
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class FeatureFacts:
    """What was asked of the artifacts.

    cosines, best: (bin, count) of all candidates and of the best, over the distinct queries of all splits
    candidates: (floor of log2, -1 for none; positions) of the split
    segments: (occurrences, of them outside the vocabulary) in the split
    known: (label, text) of the split's gold entities whose text is a vocabulary word
    seen: (label, text) of train's gold entities
    """

    cosines: Answer
    best: Answer
    candidates: Answer
    segments: Answer
    known: Answer
    seen: Answer


def ask(*, paths: ArtifactPaths, dataset: str, split: str, shards: Manifest) -> FeatureFacts:
    """Ask the stage folders that the shards were built from; others, or none, give a reason instead of rows."""
    known = f"SELECT label, text FROM ({_MENTIONS.format(split=split)}) JOIN vocabulary ON word = text"
    occurrences = (
        f"SELECT sum(n_{split})::BIGINT, coalesce(sum(n_{split}) FILTER (boundary_id = 0), 0)::BIGINT"
        " FROM distinct_segments"
    )
    with warehouse.connect(paths.folder, dataset) as opened:

        def answer(sql: str) -> Answer:
            return _answer(opened, sql, paths=paths, dataset=dataset, shards=shards)

        return FeatureFacts(
            cosines=answer(_COSINES),
            best=answer(_BEST),
            candidates=answer(_CANDIDATES.format(split=split)),
            segments=answer(occurrences),
            known=answer(known),
            seen=answer(_MENTIONS.format(split="train")),
        )


def _answer(opened: warehouse.Warehouse, sql: str, *, paths: ArtifactPaths, dataset: str, shards: Manifest) -> Answer:
    build = f"`ssmi-cli features build --dataset {quote(dataset)}`"
    try:
        views = opened.views_of(sql)
    except SsmiError:
        # What it says may name folders of this machine, which a page that is sent around should not.
        return Answer(why_not=f"Not shown: not every stage that this is about is built here; {build} builds them.")
    stages = {warehouse.VIEWS[view].partition("/")[0] for view in views} - {"shards"}
    for stage in sorted(stages):
        manifest = paths.stage(stage, dataset) / manifests.MANIFEST_NAME
        if manifests.digest_file(manifest) != shards.inputs.get(f"artifacts/{stage}"):
            return Answer(
                why_not=f"Not shown: the stage {stage} was built anew since the shards; {build} brings them together."
            )
    return Answer(opened.run(sql).rows)


@dataclass(slots=True)
class Found:
    """Entities of some kind, and how many of them the tagger found."""

    n: int = 0
    correct: int = 0

    def add(self, *, correct: bool) -> None:
        """Count one."""
        self.n += 1
        self.correct += correct


def recall_by(
    members: set[tuple[str, str]],
    *,
    characters: Sequence[Sequence[str]],
    gold: Sequence[Sequence[Span]],
    predicted: Sequence[Sequence[Span]],
) -> dict[str, tuple[Found, Found]]:
    """Type → gold entities whose (type, text) is in ``members``, and those whose is not."""
    counts: dict[str, tuple[Found, Found]] = {}
    for spans, guessed, text in zip(gold, predicted, characters, strict=True):
        right = set(guessed)
        for span in spans:
            inside, outside = counts.setdefault(span.label, (Found(), Found()))
            is_in = (span.label, "".join(text[span.start : span.end])) in members
            (inside if is_in else outside).add(correct=span in right)
    return dict(sorted(counts.items()))

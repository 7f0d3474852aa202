"""Cosine selection of the boundary words: each distinct query answered once (paper: S_k, S_m, S_s)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ssmi.pipeline.contract import schema, tables
from ssmi.pipeline.contract.feature_rows import SelectionRow
from ssmi.pipeline.contract.manifest import StageReport
from ssmi.pipeline.contract.parameters.params import SelectionParams
from ssmi.pipeline.contract.paths import SELECTIONS_FILE
from ssmi.pipeline.features.boundary_selection import HISTOGRAM_BINS, Selection, histogram
from ssmi.pipeline.features.candidates import CandidateSelector, SelectionQuery, queries_of
from ssmi.pipeline.lexicon.segment_vector_files import open_segment_vectors
from ssmi.pipeline.lexicon.vocabulary_files import open_vocabulary
from ssmi.pipeline.stages.stage import Stage, StageContext, part_sizes, parts_of

COSINES_FILE = "cosines.parquet"
QUERIES_PER_TASK = 2048


@dataclass(frozen=True)
class _PartTask:
    sentences: Path
    segments: Path
    vocabulary: Path
    vocabulary_digest: str
    scope: str


@dataclass(frozen=True)
class _SelectTask:
    queries: list[SelectionQuery]
    vocabulary: Path
    vocabulary_digest: str
    embed: Path
    embed_digest: str
    params: SelectionParams


def external_inputs(context: StageContext) -> Mapping[str, str]:
    """Nothing from outside the artifacts."""
    return {}


def work(context: StageContext, folder: Path) -> StageReport:
    """Collect the distinct queries, answer them grouped by character, and number them for every sentence."""
    parts = parts_of(context.folder("segment"))
    part_tasks = [_part_task(context, split, number, path) for split, number, path in parts]
    queries = _distinct_queries(context, parts, part_tasks)
    counts = _answer(context, folder, queries)
    id_of = {query: index for index, query in enumerate(queries)}
    n_sentences = n_characters = 0
    with context.reporter.task("number selections", total=sum(part_sizes(parts)), unit="sentences") as advance:
        for (split, number, _), task in zip(parts, part_tasks, strict=True):
            rows = []
            # Made a second time, not kept from the first: memory then holds the distinct queries alone.
            for index, asked in queries_of_part(task):
                rows.append({"sentence_id": index, "selection_ids": [id_of[query] for query in asked]})
                n_characters += len(asked)
            tables.write_rows(tables.part_path(folder, split, number), schema.SELECTION_IDS, rows)
            n_sentences += len(rows)
            advance(len(rows))
    return StageReport(
        rows_in=n_sentences,
        rows_out=n_sentences,
        statistics={"characters": n_characters, "distinct_selections": len(queries), **counts},
    )


def _part_task(context: StageContext, split: str, number: int, segments: Path) -> _PartTask:
    return _PartTask(
        sentences=tables.part_path(context.folder("prepare"), split, number),
        segments=segments,
        vocabulary=context.folder("vocab"),
        vocabulary_digest=context.digest("vocab"),
        scope=context.params.selection.scope,
    )


def _distinct_queries(
    context: StageContext, parts: list[tuple[str, int, Path]], tasks: list[_PartTask]
) -> list[SelectionQuery]:
    """All distinct queries, sorted, so that those of one character are adjacent."""
    distinct: set[SelectionQuery] = set()
    for of_part in context.map_tasks(distinct_of_part, tasks, sizes=part_sizes(parts), label="collect selections"):
        distinct |= of_part
    return sorted(distinct, key=lambda query: query.order)


def distinct_of_part(task: _PartTask) -> set[SelectionQuery]:
    """The distinct queries of one part."""
    return {query for _, asked in queries_of_part(task) for query in asked}


def queries_of_part(task: _PartTask) -> list[tuple[int, list[SelectionQuery]]]:
    """(sentence id, the query of each character) for every sentence of one part."""
    vocabulary = open_vocabulary(task.vocabulary, digest=task.vocabulary_digest)
    sentences = tables.read_rows(task.sentences, schema.SENTENCES, columns=["sentence_id", "characters"])
    segments = tables.read_rows(task.segments, schema.SEGMENTS, columns=["segments", "segment_starts"])
    return [
        (
            sentence["sentence_id"],
            queries_of(
                sentence["characters"], row["segments"], row["segment_starts"], vocabulary=vocabulary, scope=task.scope
            ),
        )
        for sentence, row in zip(sentences, segments, strict=True)
    ]


def _answer(context: StageContext, folder: Path, queries: list[SelectionQuery]) -> dict[str, int]:
    tasks = [
        _SelectTask(
            queries=queries[start : start + QUERIES_PER_TASK],
            vocabulary=context.folder("vocab"),
            vocabulary_digest=context.digest("vocab"),
            embed=context.folder("embed"),
            embed_digest=context.digest("embed"),
            params=context.params.selection,
        )
        for start in range(0, len(queries), QUERIES_PER_TASK)
    ]
    rows: list[SelectionRow] = []
    bins = np.zeros(HISTOGRAM_BINS, dtype=np.int64)
    for answers, counted in context.map_tasks(
        select_many, tasks, sizes=[len(task.queries) for task in tasks], label="select", unit="pairs"
    ):
        for answer in answers:
            # Answers come in the order of the tasks, so the next one belongs to the next query.
            rows.append(_row(len(rows), queries[len(rows)], answer))
        bins += counted
    tables.write_rows(folder / SELECTIONS_FILE, schema.SELECTIONS, rows)
    # Each from its index: adding up widths would add up their rounding too.
    edges = [-1 + 2 * index / HISTOGRAM_BINS for index in range(HISTOGRAM_BINS)]
    histogram_rows = [
        {"cosine_from": edge, "n_candidates": int(count)} for edge, count in zip(edges, bins, strict=True)
    ]
    tables.write_rows(folder / COSINES_FILE, schema.COSINES, histogram_rows)
    return {"without_candidate": sum(not row["n_candidates"] for row in rows), "cosines": int(bins.sum())}


def _row(selection_id: int, query: SelectionQuery, answer: Selection) -> SelectionRow:
    character, segment, candidates = query
    return {
        "selection_id": selection_id,
        "character": character,
        "segment": segment,
        "candidates": candidates,
        "n_candidates": answer.n_candidates,
        "best_id": answer.best_id,
        "best_cosine": answer.best_cosine,
        "set_ids": list(answer.set_ids),
        "set_cosines": list(answer.set_cosines),
        "negative_ids": list(answer.negative_ids),
    }


def select_many(task: _SelectTask) -> tuple[list[Selection], npt.NDArray[np.int64]]:
    """Answer a run of queries; also the histogram of all their cosines."""
    vocabulary = open_vocabulary(task.vocabulary, digest=task.vocabulary_digest)
    selector = CandidateSelector(vocabulary, open_segment_vectors(task.embed, task.embed_digest), task.params)
    answers: list[Selection] = []
    bins = np.zeros(HISTOGRAM_BINS, dtype=np.int64)
    for query in task.queries:
        selection, cosines = selector.answer(query)
        answers.append(selection)
        bins += histogram(cosines)
    return answers, bins


STAGE = Stage(
    name="selection",
    version=2,
    sections=("selection",),
    upstream=("vocab", "prepare", "segment", "embed"),
    external_inputs=external_inputs,
    work=work,
)

"""Cosine selection of the boundary words; each distinct query is answered once (paper: S_k, S_m, S_s)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from ssmi.pipeline.columns.lists import id_lists, list_array, whole
from ssmi.pipeline.columns.queries import QueryFiles, candidate_ids, distinct_queries
from ssmi.pipeline.columns.sentences import sentence_columns
from ssmi.pipeline.contract.manifest import StageReport
from ssmi.pipeline.contract.offsets import offsets_of
from ssmi.pipeline.contract.parameters.params import SelectionParams
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.project.paths import SELECTIONS
from ssmi.pipeline.features.boundary_selection import HISTOGRAM_BINS, SelectionColumns, histogram
from ssmi.pipeline.features.candidates import CandidateSelector, QueryGroup
from ssmi.pipeline.features.columns import is_run_start
from ssmi.pipeline.lexicon.segment_vector_files import open_outside_vectors, write_outside
from ssmi.pipeline.lexicon.vocabulary_files import open_vocabulary
from ssmi.pipeline.stages.running.stage import Stage, StageContext, part_sizes, parts_of

COSINES_FILE = "cosines.parquet"
QUERIES_PER_PART = 4096


@dataclass(frozen=True)
class _PartTask:
    part: int
    collected: Path
    sentences: Path
    segments: Path
    target: Path
    vocabulary: Path
    vocabulary_digest: str
    scope: str
    files: QueryFiles


@dataclass(frozen=True)
class _MergeTask:
    index: int
    merged: Path
    codes: tuple[int, int]
    files: QueryFiles


@dataclass(frozen=True)
class _SelectTask:
    start: int
    end: int
    target: Path
    files: QueryFiles
    vocabulary: Path
    vocabulary_digest: str
    embed: Path
    embed_digest: str
    names: Path
    params: SelectionParams


def external_inputs(context: StageContext) -> Mapping[str, str]:
    """No inputs from outside the artifacts."""
    return {}


def work(context: StageContext, folder: Path) -> StageReport:
    """Collect the distinct queries, answer them grouped by character, and number them for every sentence."""
    parts = parts_of(context.folder("segment"))
    sizes = part_sizes(parts)
    files = QueryFiles(context.scratch(), n_parts=len(parts))
    tasks = [_part_task(context, folder, files, index=index, part=part) for index, part in enumerate(parts)]
    n_characters = sum(context.map_tasks(collect_part, tasks, sizes=sizes, label="collect selections"))
    n_queries = _merge(context, files)
    counts = _answer(context, folder, files, n_queries=n_queries)
    for _ in context.map_tasks(number_part, tasks, sizes=sizes, label="number selections"):
        pass
    return StageReport(
        rows_in=sum(sizes),
        rows_out=sum(sizes),
        statistics={"characters": n_characters, "distinct_selections": n_queries, **counts},
    )


def _part_task(
    context: StageContext, folder: Path, files: QueryFiles, *, index: int, part: tuple[str, int, Path]
) -> _PartTask:
    split, number, segments = part
    return _PartTask(
        part=index,
        collected=files.part_stem(index),
        sentences=tables.part_path(context.folder("prepare"), split, number),
        segments=segments,
        target=tables.part_path(folder, split, number),
        vocabulary=context.folder("vocab"),
        vocabulary_digest=context.digest("vocab"),
        scope=context.params.selection.scope,
        files=files,
    )


def collect_part(task: _PartTask) -> int:
    """Save the distinct queries of one part, and return the number of its characters."""
    sentences = sentence_columns(tables.read_table(task.sentences, schema.SENTENCES, columns=["characters"]))
    segments = whole(tables.read_table(task.segments, schema.SEGMENTS, columns=["segments"]), "segments").flatten()
    matches = None
    if task.scope == "sentence":
        matches = open_vocabulary(task.vocabulary, digest=task.vocabulary_digest).trie.columns(sentences)
    task.files.save_part(task.part, *distinct_queries(sentences, segments, matches))
    return len(sentences.text)


def _merge(context: StageContext, files: QueryFiles) -> int:
    """Number the distinct queries of all parts, and return how many there are."""
    tasks = [_MergeTask(index, files.range_stem(index), codes, files) for index, codes in enumerate(files.ranges())]
    done = context.map_tasks(merge_range, tasks, sizes=[1] * len(tasks), label="distinct selections", unit="ranges")
    return files.save_first_ids(list(done))


def merge_range(task: _MergeTask) -> int:
    """Merge the queries of a range of characters, and return the number of distinct queries."""
    return task.files.merge(task.index, codes=task.codes)


def number_part(task: _PartTask) -> None:
    """Write the selection id of each character of one part."""
    table = tables.read_table(task.sentences, schema.SENTENCES, columns=["sentence_id", "characters"])
    ids = id_lists(sentence_columns(table).offsets, task.files.query_ids_of_part(task.part))
    columns = [whole(table, "sentence_id"), ids]
    tables.write_table(task.target, schema.SELECTION_IDS, pa.Table.from_arrays(columns, schema=schema.SELECTION_IDS))


def _answer(context: StageContext, folder: Path, files: QueryFiles, *, n_queries: int) -> dict[str, int]:
    """Write the selections in parts and the histogram of their cosines, and return counts for the report."""
    names = context.scratch() / "outside.arrow"
    write_outside(context.folder("embed"), names)
    tasks = [
        _SelectTask(
            start=start,
            end=min(start + QUERIES_PER_PART, n_queries),
            target=tables.part_path(folder, SELECTIONS, number),
            files=files,
            vocabulary=context.folder("vocab"),
            vocabulary_digest=context.digest("vocab"),
            embed=context.folder("embed"),
            embed_digest=context.digest("embed"),
            names=names,
            params=context.params.selection,
        )
        for number, start in enumerate(range(0, n_queries, QUERIES_PER_PART))
    ]
    without = 0
    bins = np.zeros(HISTOGRAM_BINS, dtype=np.int64)
    sizes = [task.end - task.start for task in tasks]
    for n_without, counted in context.map_tasks(select_many, tasks, sizes=sizes, label="select", unit="pairs"):
        without += n_without
        bins += np.array(counted)
    # Each edge is computed from its index: adding up widths would add up their rounding errors.
    edges = [-1 + 2 * index / HISTOGRAM_BINS for index in range(HISTOGRAM_BINS)]
    histogram_rows = [
        {"cosine_from": edge, "n_candidates": int(count)} for edge, count in zip(edges, bins, strict=True)
    ]
    tables.write_rows(folder / COSINES_FILE, schema.COSINES, histogram_rows)
    return {"without_candidate": without, "cosines": int(bins.sum())}


def select_many(task: _SelectTask) -> tuple[int, list[int]]:
    """Answer a range of queries; return how many have no candidate, and the histogram of their cosines."""
    vocabulary = open_vocabulary(task.vocabulary, digest=task.vocabulary_digest)
    queries = task.files.queries_between(task.start, task.end)
    segments = whole(queries, "segment")
    outside = open_outside_vectors(task.embed, task.embed_digest, names=task.names, segments=segments)
    selector = CandidateSelector(vocabulary, outside, task.params)
    bins = np.zeros(HISTOGRAM_BINS, dtype=np.int64)
    pieces = []
    for columns, cosines in selector.answers(_query_groups(queries)):
        pieces.append(columns)
        bins += histogram(cosines)
    chosen = SelectionColumns.concatenated(pieces)
    table = _selections(queries, chosen, first_id=task.start)
    tables.write_table(task.target, schema.SELECTIONS, table)
    return int(np.count_nonzero(chosen.n_candidates == 0)), bins.tolist()


def _query_groups(queries: pa.Table) -> Iterator[QueryGroup]:
    """Yield one group per query in sentence scope, and one per character in vocabulary scope."""
    codes, segments = whole(queries, "code").to_numpy(), whole(queries, "segment").to_pylist()
    candidates = _candidates(queries)
    if not candidates.null_count:
        for code, segment, ids in zip(codes.tolist(), segments, candidates.to_pylist(), strict=True):
            yield QueryGroup(chr(code), [segment], tuple(ids))
        return
    starts = np.flatnonzero(is_run_start(codes)).tolist()
    for start, end in pairwise([*starts, len(codes)]):
        yield QueryGroup(chr(codes[start]), segments[start:end])


def _candidates(queries: pa.Table) -> pa.Array:
    """Candidate ids of each query; null in vocabulary scope."""
    packed = whole(queries, "candidates")
    if packed.null_count:
        return pa.nulls(len(packed), schema.SELECTIONS.field("candidates").type)
    return list_array(*map(pa.array, candidate_ids(packed)))


def _selections(queries: pa.Table, chosen: SelectionColumns, *, first_id: int) -> pa.Table:
    """Make the table of ``schema.SELECTIONS``."""
    ids = np.arange(first_id, first_id + len(queries), dtype=np.int32)
    sets, negatives = offsets_of(chosen.set_lengths), offsets_of(chosen.negative_lengths)
    columns = {
        "selection_id": pa.array(ids),
        "character": pa.array(list(map(chr, whole(queries, "code").to_pylist())), pa.string()),
        "segment": whole(queries, "segment"),
        "candidates": _candidates(queries),
        "n_candidates": pa.array(chosen.n_candidates),
        "best_id": pa.array(chosen.best_ids),
        "best_cosine": pa.array(chosen.best_cosines, mask=chosen.best_ids == 0),
        "set_ids": list_array(sets, pa.array(chosen.set_ids)),
        "set_cosines": list_array(sets, pa.array(chosen.set_cosines)),
        "negative_ids": list_array(negatives, pa.array(chosen.negative_ids)),
    }
    return pa.Table.from_arrays([columns[name] for name in schema.SELECTIONS.names], schema=schema.SELECTIONS)


STAGE = Stage(
    name="selection",
    version=2,
    sections=("selection",),
    upstream=("vocab", "prepare", "segment", "embed"),
    external_inputs=external_inputs,
    work=work,
)

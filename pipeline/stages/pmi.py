"""PMI counting over train, and each character's local boundary (paper: Local Mutual Maximization)."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from ssmi.pipeline.contract import schema, tables
from ssmi.pipeline.contract.manifest import StageReport
from ssmi.pipeline.features.blanks import seen_stretches
from ssmi.pipeline.features.pmi import Match, PairWeights, count_events, score_pairs
from ssmi.pipeline.lexicon.pair_weights_file import PAIRS_FILE, read_weights
from ssmi.pipeline.lexicon.vocabulary_files import open_vocabulary
from ssmi.pipeline.readers.texts import read_texts
from ssmi.pipeline.stages.corpora.counted import counted_inputs, counted_texts
from ssmi.pipeline.stages.corpora.fitted import like_folder, like_inputs
from ssmi.pipeline.stages.stage import Stage, StageContext, part_sizes, parts_of


@dataclass(frozen=True)
class _CountTask:
    source: Path
    text_field: str | None
    """Where rows of raw text hold it; None for a part that is prepared."""
    vocabulary: Path
    vocabulary_digest: str


@dataclass(frozen=True)
class _LocalTask:
    source: Path
    target: Path
    vocabulary: Path
    vocabulary_digest: str
    pairs: Path


def external_inputs(context: StageContext) -> Mapping[str, str]:
    """The unlabelled texts; of a corpus the weights that its data set has fitted."""
    return counted_inputs(context) if context.corpus is None else like_inputs(context, "pmi")


def work(context: StageContext, folder: Path) -> StageReport:
    """Count match events over train and the unlabelled texts, then find local boundaries in every split.

    Of a corpus nothing is counted: the weights are those of its data set.
    """
    parts = parts_of(context.folder("prepare"))
    pairs = folder / PAIRS_FILE
    if context.corpus is None:
        events = _count(context, [part for part in parts if part[0] == "train"])
        scored = score_pairs(events, estimator=context.params.pmi.estimator)
        tables.write_table(pairs, schema.PMI_PAIRS, scored.to_arrow().cast(schema.PMI_PAIRS))
        counted = {"events": int(events["n_events"].sum()), "distinct_pairs": len(events)}
    else:
        shutil.copyfile(like_folder(context, context.corpus, "pmi") / PAIRS_FILE, pairs)
        counted = {}
    tasks = [
        _LocalTask(
            path,
            tables.part_path(folder, split, number),
            context.folder("vocab"),
            context.digest("vocab"),
            pairs,
        )
        for split, number, path in parts
    ]
    sizes = part_sizes(parts)
    done = list(context.map_tasks(local_part, tasks, sizes=sizes, label="local boundaries"))
    return StageReport(
        rows_in=sum(sizes),
        rows_out=sum(sizes),
        statistics={
            **counted,
            "matches": sum(n_matches for n_matches, _ in done),
            "positions_with_local_boundary": sum(n_local for _, n_local in done),
        },
    )


def _count(context: StageContext, train: list[tuple[str, int, Path]]) -> pl.DataFrame:
    sources: list[tuple[Path, str | None]] = [(path, None) for _, _, path in train]
    for entry in counted_texts(context):
        field = None if entry.prepared is not None else context.params.prepare.text_field
        sources += [(path, field) for path in entry.files.values()]
    tasks = [_CountTask(path, field, context.folder("vocab"), context.digest("vocab")) for path, field in sources]
    # A text's sentences are not known before it is read; its bytes / 128 are near enough for a bar.
    sizes = [
        tables.count_rows([path]) if field is None else max(1, path.stat().st_size // 128) for path, field in sources
    ]
    total: Counter[tuple[str, int]] = Counter()  # its order does not matter: score_pairs sorts
    for events in context.map_tasks(count_source, tasks, sizes=sizes, label="count matches"):
        total.update(events)
    characters, boundaries = zip(*total, strict=True) if total else ((), ())
    return pl.DataFrame(
        {"character": characters, "boundary_id": boundaries, "n_events": list(total.values())},
        schema={"character": pl.String, "boundary_id": pl.Int32, "n_events": pl.Int64},
    )


def count_source(task: _CountTask) -> Counter[tuple[str, int]]:
    """Events of one Parquet part or one text."""
    trie = open_vocabulary(task.vocabulary, digest=task.vocabulary_digest).trie
    field = task.text_field
    sentences = _sentences(task.source) if field is None else _stretches(task.source, field=field)
    return count_events((characters, trie.sentence_matches(characters)) for characters in sentences)


def _sentences(path: Path) -> Iterator[Sequence[str]]:
    for row in tables.read_rows(path, schema.SENTENCES, columns=["characters"]):
        yield row["characters"]


def _stretches(path: Path, *, field: str) -> Iterator[Sequence[str]]:
    for text in read_texts(path, field=field):
        for stretch in seen_stretches(text.text):
            yield list(stretch.text)


def local_part(task: _LocalTask) -> tuple[int, int]:
    """Write matches and local boundaries of one part; returns how many of each."""
    trie = open_vocabulary(task.vocabulary, digest=task.vocabulary_digest).trie
    weights = open_weights(task.pairs)
    rows: list[dict[str, Any]] = []
    for sentence in tables.read_rows(task.source, schema.SENTENCES, columns=["sentence_id", "characters"]):
        matches: list[Match] = trie.sentence_matches(sentence["characters"])
        rows.append(
            {
                "sentence_id": sentence["sentence_id"],
                "match_starts": [start for start, _, _ in matches],
                "match_ends": [end for _, end, _ in matches],
                "match_ids": [boundary for _, _, boundary in matches],
                "local_ids": weights.local_boundaries(sentence["characters"], matches),
            }
        )
    tables.write_rows(task.target, schema.MATCHES, rows)
    n_local = sum(sum(boundary != 0 for boundary in row["local_ids"]) for row in rows)
    return sum(len(row["match_ids"]) for row in rows), n_local


@lru_cache(maxsize=1)
def open_weights(pairs: Path) -> PairWeights:
    """The pairs' weights, opened once a process. The path is a stage's temporary folder, so never one of old counts."""
    return read_weights(pairs)


STAGE = Stage(
    name="pmi",
    version=1,
    sections=("pmi",),
    upstream=("vocab", "prepare"),
    external_inputs=external_inputs,
    work=work,
)

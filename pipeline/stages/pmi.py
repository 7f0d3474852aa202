"""PMI counting over train, and each character's local boundary (paper: Local Mutual Maximization)."""

from __future__ import annotations

import gzip
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from ssmi.pipeline.contract import schema, tables
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError, at_line
from ssmi.pipeline.contract.manifest import StageReport, digest_file
from ssmi.pipeline.features.blanks import seen_stretches
from ssmi.pipeline.features.pmi import Match, PairWeights, count_events, score_pairs
from ssmi.pipeline.lexicon.pair_weights_file import PAIRS_FILE, read_weights
from ssmi.pipeline.lexicon.vocabulary_files import open_vocabulary
from ssmi.pipeline.stages.stage import Stage, StageContext, part_sizes, parts_of


@dataclass(frozen=True)
class _CountTask:
    source: Path
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
    """The unlabelled texts, by index in the list and file name."""
    # Not by path, for manifests hold none of a machine; by index, for two folders may hold files of one name.
    return {f"unlabelled/{index}/{path.name}": digest_file(path) for index, path in enumerate(_unlabelled(context))}


def work(context: StageContext, folder: Path) -> StageReport:
    """Count match events over train and the unlabelled texts, then find local boundaries in every split."""
    parts = parts_of(context.folder("prepare"))
    events = _count(context, [part for part in parts if part[0] == "train"])
    scored = score_pairs(events, estimator=context.params.pmi.estimator)
    pairs = folder / PAIRS_FILE
    tables.write_table(pairs, schema.PMI_PAIRS, scored.to_arrow().cast(schema.PMI_PAIRS))
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
            "events": int(events["n_events"].sum()),
            "distinct_pairs": len(events),
            "matches": sum(n_matches for n_matches, _ in done),
            "positions_with_local_boundary": sum(n_local for _, n_local in done),
        },
    )


def _unlabelled(context: StageContext) -> list[Path]:
    paths = [Path(os.path.normpath(context.root / name)) for name in context.params.pmi.unlabelled]
    for path in paths:
        if not path.is_file():
            raise MissingResourceError(f"{path}: no such text", next_step="fix pmi.unlabelled in params.yaml")
    return paths


def _count(context: StageContext, train: list[tuple[str, int, Path]]) -> pl.DataFrame:
    texts = _unlabelled(context)
    tasks = [
        _CountTask(path, context.folder("vocab"), context.digest("vocab"))
        for path in [*(path for _, _, path in train), *texts]
    ]
    # A text's sentences are not known before it is read; its bytes / 128 are near enough for a bar.
    sizes = [*part_sizes(train), *(max(1, path.stat().st_size // 128) for path in texts)]
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
    sentences = _sentences(task.source) if task.source.suffix == ".parquet" else _lines(task.source)
    return count_events((characters, trie.sentence_matches(characters)) for characters in sentences)


def _sentences(path: Path) -> Iterator[Sequence[str]]:
    for row in tables.read_rows(path, schema.SENTENCES, columns=["characters"]):
        yield row["characters"]


def _lines(path: Path) -> Iterator[Sequence[str]]:
    # As bytes: text mode would end lines at a lone carriage return too, and name no line where decoding fails.
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise InputDataError(
                    f"{at_line(path, number)}: not UTF-8 at byte {error.start}", next_step="convert the text to UTF-8"
                ) from error
            for stretch in seen_stretches(text):
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
    version=2,
    sections=("pmi",),
    upstream=("vocab", "prepare"),
    external_inputs=external_inputs,
    work=work,
)

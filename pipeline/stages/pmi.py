"""PMI counting over train, and each character's local boundary (paper: Local Mutual Maximization)."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from ssmi.pipeline.columns.array_files import save_array
from ssmi.pipeline.columns.lists import id_lists, whole
from ssmi.pipeline.columns.sentences import read_sentences, sentence_columns
from ssmi.pipeline.contract import schema, tables
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError, at_line
from ssmi.pipeline.contract.manifest import StageReport, digest_file
from ssmi.pipeline.features.blanks import seen_stretches
from ssmi.pipeline.features.columns import Ints, SentenceColumns
from ssmi.pipeline.features.pmi import PairWeights, add_up, count_events, pairs_of, score_pairs
from ssmi.pipeline.lexicon.pair_weights_file import PAIRS_FILE, read_weights
from ssmi.pipeline.lexicon.vocabulary_files import open_vocabulary
from ssmi.pipeline.stages.stage import Stage, StageContext, part_sizes, parts_of

CHARACTERS_AT_ONCE = 1 << 18
"""Of an unlabelled text; a part is counted whole."""
PAIRS_AT_ONCE = 1 << 20
"""Counts of parts are added to the total when they are so many: the total is sorted anew for each addition."""


@dataclass(frozen=True)
class _CountTask:
    source: Path
    target: Path
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
        _CountTask(path, context.scratch() / f"counts-{index}.npy", context.folder("vocab"), context.digest("vocab"))
        for index, path in enumerate([*(path for _, _, path in train), *texts])
    ]
    # A text's sentences are not known before it is read; its bytes / 128 are near enough for a bar.
    sizes = [*part_sizes(train), *(max(1, path.stat().st_size // 128) for path in texts)]
    for _ in context.map_tasks(count_source, tasks, sizes=sizes, label="count matches"):
        pass
    keys, events = _added_up(task.target for task in tasks)
    codes, boundaries = pairs_of(keys)
    return pl.DataFrame(
        {"character": list(map(chr, codes.tolist())), "boundary_id": boundaries, "n_events": events},
        schema={"character": pl.String, "boundary_id": pl.Int32, "n_events": pl.Int64},
    )


def _added_up(paths: Iterable[Path]) -> tuple[Ints, Ints]:
    """The sum of the counts in files; there are at most as many pairs as the vocabulary has characters in words."""
    total, waiting, n_waiting = add_up([]), [], 0
    for path in paths:
        keys, events = np.load(path, allow_pickle=False)
        waiting.append((keys, events))
        n_waiting += len(keys)
        if n_waiting > PAIRS_AT_ONCE:
            total, waiting, n_waiting = add_up([total, *waiting]), [], 0
    return add_up([total, *waiting])


def count_source(task: _CountTask) -> None:
    """Write the events of one Parquet part or one text: the pairs' keys and the events of each. Shape: (2, pairs)."""
    trie = open_vocabulary(task.vocabulary, digest=task.vocabulary_digest).trie
    total = add_up([])
    for sentences in _sentences(task.source):
        total = add_up([total, count_events(sentences, trie.columns(sentences))])
    save_array(task.target, np.stack(total))


def _sentences(path: Path) -> Iterator[SentenceColumns]:
    if path.suffix == ".parquet":
        yield read_sentences(path)
        return
    texts: list[str] = []
    n_characters = 0
    for text in _lines(path):
        texts.append(text)
        n_characters += len(text)
        if n_characters > CHARACTERS_AT_ONCE:
            yield SentenceColumns.of(texts)
            texts, n_characters = [], 0
    yield SentenceColumns.of(texts)


def _lines(path: Path) -> Iterator[str]:
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
                yield stretch.text


def local_part(task: _LocalTask) -> tuple[int, int]:
    """Write matches and local boundaries of one part; returns how many of each."""
    trie = open_vocabulary(task.vocabulary, digest=task.vocabulary_digest).trie
    table = tables.read_table(task.source, schema.SENTENCES, columns=["sentence_id", "characters"])
    sentences = sentence_columns(table)
    matches = trie.columns(sentences)
    local = open_weights(task.pairs).local_boundaries(sentences, matches)
    of_sentence, within = matches.offsets(sentences), matches.within(sentences)
    columns = [
        whole(table, "sentence_id"),
        *(id_lists(of_sentence, column) for column in (within.starts, within.ends, within.ids)),
        id_lists(sentences.offsets, local),
    ]
    tables.write_table(task.target, schema.MATCHES, pa.Table.from_arrays(columns, schema=schema.MATCHES))
    return len(matches.ids), int(np.count_nonzero(local))


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

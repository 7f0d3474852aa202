"""PMI counting over train, and each character's local boundary (paper: Local Mutual Maximization)."""

from __future__ import annotations

import shutil
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
from ssmi.pipeline.contract.manifest import StageReport
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.text.encodings import replace_surrogates
from ssmi.pipeline.features.columns import Ints, SentenceColumns
from ssmi.pipeline.features.pmi import PairWeights, add_up, count_events, pairs_of, score_pairs
from ssmi.pipeline.features.text.blanks import visible_stretches
from ssmi.pipeline.lexicon.pair_weights_file import PAIRS_FILE, read_weights
from ssmi.pipeline.lexicon.vocabulary_files import open_vocabulary
from ssmi.pipeline.readers.texts import read_texts
from ssmi.pipeline.stages.corpora.counted import counted_inputs, counted_texts
from ssmi.pipeline.stages.corpora.fitted import reference_folder, reference_inputs
from ssmi.pipeline.stages.running.stage import Stage, StageContext, part_sizes, parts_of

CHARACTERS_AT_ONCE = 1 << 18
"""Characters of an unlabelled text that are counted at once; a prepared part is counted as a whole."""
PAIRS_AT_ONCE = 1 << 20
"""Number of pairs to collect before adding them to the total, which is sorted again for each addition."""


@dataclass(frozen=True)
class _CountTask:
    source: Path
    text_field: str | None
    """Field that holds the text in rows of raw text; None for a prepared part."""
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
    """The unlabelled texts; for a corpus, the weights fitted on its data set."""
    return counted_inputs(context) if context.corpus is None else reference_inputs(context, "pmi")


def work(context: StageContext, folder: Path) -> StageReport:
    """Count match events over train and the unlabelled texts, then find local boundaries in every split.

    For a corpus nothing is counted: it uses the weights of its data set.
    """
    parts = parts_of(context.folder("prepare"))
    pairs = folder / PAIRS_FILE
    if context.corpus is None:
        events = _count(context, [part for part in parts if part[0] == "train"])
        scored = score_pairs(events, estimator=context.params.pmi.estimator)
        tables.write_table(pairs, schema.PMI_PAIRS, scored.to_arrow().cast(schema.PMI_PAIRS))
        counted = {"events": int(events["n_events"].sum()), "distinct_pairs": len(events)}
    else:
        shutil.copyfile(reference_folder(context, context.corpus, "pmi") / PAIRS_FILE, pairs)
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
    tasks = [
        _CountTask(
            source=path,
            text_field=field,
            target=context.scratch() / f"counts-{index}.npy",
            vocabulary=context.folder("vocab"),
            vocabulary_digest=context.digest("vocab"),
        )
        for index, (path, field) in enumerate(sources)
    ]
    # A text's number of sentences is unknown before it is read; bytes / 128 is close enough for a progress bar.
    rows = iter(tables.row_counts([path for path, field in sources if field is None]))
    sizes = [next(rows) if field is None else max(1, path.stat().st_size // 128) for path, field in sources]
    for _ in context.map_tasks(count_source, tasks, sizes=sizes, label="count matches"):
        pass
    keys, events = _added_up(task.target for task in tasks)
    codes, boundaries = pairs_of(keys)
    return pl.DataFrame(
        {"character": list(map(chr, codes.tolist())), "boundary_id": boundaries, "n_events": events},
        schema={"character": pl.String, "boundary_id": pl.Int32, "n_events": pl.Int64},
    )


def _added_up(paths: Iterable[Path]) -> tuple[Ints, Ints]:
    """Sum the counts in files. There are at most as many pairs as the vocabulary's words have characters."""
    total, waiting, n_waiting = add_up([]), [], 0
    for path in paths:
        keys, events = np.load(path, allow_pickle=False)
        waiting.append((keys, events))
        n_waiting += len(keys)
        if n_waiting > PAIRS_AT_ONCE:
            total, waiting, n_waiting = add_up([total, *waiting]), [], 0
    return add_up([total, *waiting])


def count_source(task: _CountTask) -> None:
    """Count the events of one Parquet part or text, and write the pairs' keys and event counts. Shape: (2, pairs)."""
    trie = open_vocabulary(task.vocabulary, digest=task.vocabulary_digest).trie
    total = add_up([])
    for sentences in _sentences(task.source, field=task.text_field):
        total = add_up([total, count_events(sentences, trie.columns(sentences))])
    save_array(task.target, np.stack(total))


def _sentences(path: Path, *, field: str | None) -> Iterator[SentenceColumns]:
    """Yield the sentences of a prepared part at once or, given a field, those of raw text in batches."""
    if field is None:
        yield read_sentences(path)
        return
    texts: list[str] = []
    n_characters = 0
    for text in _stretches(path, field=field):
        texts.append(text)
        n_characters += len(text)
        if n_characters > CHARACTERS_AT_ONCE:
            yield SentenceColumns.of(texts)
            texts, n_characters = [], 0
    yield SentenceColumns.of(texts)


def _stretches(path: Path, *, field: str) -> Iterator[str]:
    for text in read_texts(path, field=field):
        for stretch in visible_stretches(replace_surrogates(text.text)):
            yield stretch.text


def local_part(task: _LocalTask) -> tuple[int, int]:
    """Write the matches and local boundaries of one part, and return how many there are of each."""
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
    """Open the pairs' weights once per process. Their path contains the digest of what they were counted on."""
    return read_weights(pairs)


STAGE = Stage(
    name="pmi",
    version=3,
    sections=("pmi",),
    upstream=("vocab", "prepare"),
    external_inputs=external_inputs,
    work=work,
)

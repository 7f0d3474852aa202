"""Sentences → segments that tile them (paper: Input Segmentation)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ssmi.pipeline.columns.lists import id_lists, list_array, whole
from ssmi.pipeline.columns.sentences import sentence_columns
from ssmi.pipeline.contract.errors import at_line
from ssmi.pipeline.contract.manifest import StageReport, digest_file
from ssmi.pipeline.contract.offsets import offsets_of
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.features.text.segmentation import segments_of
from ssmi.pipeline.lexicon.segmenter import open_segmenter
from ssmi.pipeline.lexicon.user_dictionary import NAMED_LINES, read_user_dictionary, repeated
from ssmi.pipeline.stages.running.stage import Stage, StageContext, part_sizes, parts_of


@dataclass(frozen=True)
class _Task:
    source: Path
    target: Path
    engine: str
    hmm: bool
    user_dict: Path | None
    user_dict_digest: str


@dataclass(frozen=True)
class _Done:
    n_sentences: int
    n_segments: int


def external_inputs(context: StageContext) -> Mapping[str, str]:
    """The user dictionary, if there is one."""
    path = _user_dict(context)
    # A missing dictionary is refused when it is opened, with the name of its parameter.
    return {f"user_dict/{path.name}": digest_file(path)} if path is not None and path.is_file() else {}


def work(context: StageContext, folder: Path) -> StageReport:
    """Segment every part with the chosen engine."""
    params = context.params.segment
    parts = parts_of(context.folder("prepare"))
    user_dict = _user_dict(context)
    digest = digest_file(user_dict) if user_dict is not None and user_dict.is_file() else ""
    # Opened here first, so that an unusable dictionary is reported before any work.
    open_segmenter(params.engine, hmm=params.hmm, user_dict=user_dict, digest=digest)
    tasks = [
        _Task(path, tables.part_path(folder, split, number), params.engine, params.hmm, user_dict, digest)
        for split, number, path in parts
    ]
    done = list(context.map_tasks(segment_part, tasks, sizes=part_sizes(parts), label="segment"))
    dictionary = {} if user_dict is None else {"user_dictionary": _dictionary_statistics(context, user_dict)}
    return StageReport(
        rows_in=sum(part.n_sentences for part in done),
        rows_out=sum(part.n_sentences for part in done),
        statistics={
            "segments": sum(part.n_segments for part in done),
            **dictionary,
        },
    )


def _dictionary_statistics(context: StageContext, path: Path) -> dict[str, Any]:
    """Report the odd entries of a user dictionary to the user, and return them for the manifest."""
    words = read_user_dictionary(path)
    never = [
        f"{at_line(path.name, one.line)} {one.word!r} ({one.unmatchable_reason})"
        for one in words
        if one.unmatchable_reason
    ]
    again = [f"{at_line(path.name, one.line)} {one.word!r} (again on line {last})" for one, last in repeated(words)]
    for what, lines in (("never matches", never), ("listed more than once; the last entry is used", again)):
        if lines:
            more = f" and {len(lines) - NAMED_LINES} more" if len(lines) > NAMED_LINES else ""
            context.reporter.note(f"segment: user dictionary: {what}: {', '.join(lines[:NAMED_LINES])}{more}")
    return {
        "lines": len(words),
        "never_match": len(never),
        "stand_twice": len(again),
        "named": [*never[:NAMED_LINES], *again[:NAMED_LINES]],
    }


def segment_part(task: _Task) -> _Done:
    """Segment one part."""
    cut = open_segmenter(task.engine, hmm=task.hmm, user_dict=task.user_dict, digest=task.user_dict_digest)
    table = tables.read_table(task.source, schema.SENTENCES, columns=["sentence_id", "characters"])
    sentences = sentence_columns(table)
    words: list[str] = []
    n_before = [0]
    for text in sentences.texts:
        words += segments_of(text, cut)
        n_before.append(len(words))
    segments = pa.array(words, pa.string())
    # Offset of each segment's first character: in the whole text, then in its sentence.
    starts = offsets_of(pc.utf8_length(segments).to_numpy())[:-1]
    of_sentence = np.array(n_before, dtype=np.int64)
    starts -= np.repeat(sentences.offsets[:-1], np.diff(of_sentence))
    columns = [whole(table, "sentence_id"), list_array(of_sentence, segments), id_lists(of_sentence, starts)]
    tables.write_table(task.target, schema.SEGMENTS, pa.Table.from_arrays(columns, schema=schema.SEGMENTS))
    return _Done(n_sentences=len(sentences), n_segments=len(words))


def _user_dict(context: StageContext) -> Path | None:
    name = context.params.segment.user_dict
    return None if name is None else Path(os.path.normpath(context.root / name))


STAGE = Stage(
    name="segment",
    version=2,
    sections=("segment",),
    upstream=("prepare",),
    external_inputs=external_inputs,
    work=work,
)

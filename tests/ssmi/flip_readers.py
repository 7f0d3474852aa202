"""Readers of the files whose bytes ``test_flipped_bytes.py`` changes; each returns everything it derived from them."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from dataclasses import astuple, fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

import ssmi
from ssmi.model.data.shards import open_shards, read_split
from ssmi.model.data.split import RequiredFeatures
from ssmi.model.data.training_data import StreamedSplit
from ssmi.model.runs.results import counts_file, history, metrics_file
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.progress import Silent
from ssmi.pipeline.executor import Serial
from ssmi.pipeline.inspect.warehouse import VIEWS
from ssmi.pipeline.lexicon import segment_vector_files, vocabulary_files
from ssmi.pipeline.stages import pmi
from ssmi.pipeline.stages.running import up_to_date
from ssmi.pipeline.stages.running.encoding import encode_words
from ssmi.pipeline.stages.running.registry import get_stage
from ssmi.pipeline.stages.running.stage import StageContext

TEXTS = ["王小明在北京大学任教授。", "疫苗在上海", "公司董事长生于南京市"]
WORDS = ["疫苗", "北京大学", "教授", "熊猫"]
ALL_FEATURES = RequiredFeatures(
    **dict.fromkeys(("best", "local", "sets", "negatives", "segment_positions", "boundary_roles"), True),
    **dict.fromkeys(("cosine_gates", "hidden", "special_states", "matches"), True),
)
Read = Callable[[Path], object]
"""Function that reads a project folder as a command does; equal results mean that it used the same bytes."""


def clear_caches() -> None:
    """Clear the caches of opened files, which would hide that a file changed."""
    vocabulary_files._open.cache_clear()
    segment_vector_files.open_segment_vectors.cache_clear()
    pmi.open_weights.cache_clear()


def read_shards(root: Path) -> object:
    """Read the splits as ``train`` and ``evaluate`` do."""
    opened = open_shards(root / "artifacts" / "shards" / "tiny")
    splits = [
        read_split(opened, name, boundaries=opened.boundaries, required=ALL_FEATURES)
        for name in ("train", "dev", "test")
    ]
    columns = [(s.token_ids, s.tag_ids, s.best_rows, s.set_rows, s.local_rows, s.negative_rows) for s in splits]
    others = [(s.cosine_gates, s.boundary_roles, s.segment_positions, s.window_starts) for s in splits]
    states = [
        part.tobytes() for s in splits for tensors in (s.hidden, s.special_states) if tensors for part in tensors.parts
    ]
    gold = [s.gold for s in splits]
    return pickle.dumps((columns, others, states, gold, opened.boundaries.vectors, opened.labels))


def run_stage(name: str) -> Read:
    """Return a reader that runs one stage, as DVC does, restores the old output, and returns the digests of the new."""

    def read(root: Path) -> object:
        project = ssmi.open_project(root)
        context = StageContext(root, "tiny", project.params(), Serial(), Silent())
        folder, backup = context.folder(name), root / "kept" / name
        if not backup.exists():
            shutil.copytree(folder, backup)
        files = up_to_date.run(get_stage(name), context).files
        shutil.rmtree(folder)
        shutil.copytree(backup, folder)
        return files

    return read


def _plain(value: Any) -> object:
    """Return the contents of a batch as plain values."""
    if isinstance(value, torch.Tensor):
        return value.numpy().tobytes()
    return (
        [_plain(getattr(value, field.name)) for field in fields(value)] if is_dataclass(value) else pickle.dumps(value)
    )


def _open(root: Path) -> StreamedSplit:
    return StreamedSplit.open(
        open_shards(root / "artifacts" / "shards" / "tiny"), "train", required=ALL_FEATURES, buffer=8
    )


_open_once = lru_cache(_open)


def _stream(split: StreamedSplit) -> object:
    """Return the batches of one epoch."""
    batches = split.batches(batch_size=8, seed=1, epoch=1)
    return [_plain(batch) for batch in split.collated(batches, seed=1, epoch=1, device=torch.device("cpu"))]


def stream(root: Path) -> object:
    """Read the batches as ``train`` with ``train.stream`` does."""
    return _stream(_open(root))


def stream_after_change(root: Path) -> object:
    """As ``stream``, for bytes that change after the split was opened."""
    return _stream(_open_once(root))


def resume_segment_stage(root: Path) -> object:
    """Run the segment stage, which continues with the finished parts of a stopped run."""
    shutil.rmtree(root / ".ssmi" / "scratch", ignore_errors=True)
    shutil.copytree(root / "finished parts", root / ".ssmi" / "scratch")
    return run_stage("segment")(root)


def tag_corpus(root: Path) -> object:
    """Run ``predict --shards`` from the first part."""
    shutil.rmtree(root / "artifacts" / "predict", ignore_errors=True)
    return resume_tagging(root)


def resume_tagging(root: Path) -> object:
    """Run ``predict --shards``, which keeps the finished parts."""
    folder = ssmi.open_project(root).predict_shards("news", device="cpu").folder
    return [tables.read_rows(path, schema.PREDICTIONS) for path in sorted(folder.glob("part-*.parquet"))]


def query(root: Path) -> object:
    """Read every table as ``stats`` does."""
    project = ssmi.open_project(root)
    views = [view for view in VIEWS if view not in ("shards", "sources")]  # the view of sources needs a corpus
    return [repr(project.sql(f"SELECT * FROM {view} ORDER BY ALL").rows) for view in views]


def tag_texts(run: str, *, project: str | None = None) -> Read:
    """Return a reader that opens a run and tags texts, as ``predict`` does."""

    def read(root: Path) -> object:
        tagger = ssmi.open_run(root / run, project=None if project is None else root / project, device="cpu")
        return [[astuple(entity) for entity in tagger(text)] for text in TEXTS]

    return read


def read_results(root: Path) -> object:
    """Read the results of a finished run as ``ablate``, ``compare`` and ``report`` do."""
    run = root / "artifacts" / "train" / "tiny"
    counts = [counts_file.read(run, split) for split in ("dev", "test")]
    return metrics_file.read(run), history.read(run / "history.csv"), counts


def encode(root: Path) -> object:
    """Encode words with the frozen encoder; most vectors come from the cache."""
    project = ssmi.open_project(root)
    return encode_words(WORDS, StageContext(root, "tiny", project.params(), Serial(), Silent()), label="").tobytes()


def resume_training(root: Path) -> object:
    """Run ``train --resume``."""
    run = root / "resumed"
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(root / "unfinished", run)
    result = ssmi.open_project(root).train(resume=True, run=run)
    return [astuple(record) for record in result.history], result.test

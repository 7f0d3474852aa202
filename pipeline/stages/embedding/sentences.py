"""Vectors of words in their sentences (``embed.context: sentence``), summed by part into files and added in order.

Words that occur in train are averaged over train alone, so that neither the features of train nor the map that is
fitted on its words depend on the text of dev or test.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ssmi.pipeline.columns.names import SCHEMA as NAMES
from ssmi.pipeline.columns.names import SortedNames, write_names
from ssmi.pipeline.contract.errors import SsmiError
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.storage import replacing
from ssmi.pipeline.features.alignment import SpanMeanAccumulator
from ssmi.pipeline.stages.running.encoding import FloatMatrix, IntArray, encoder_of, open_encoder
from ssmi.pipeline.stages.running.stage import StageContext, part_sizes, parts_of

DoubleMatrix = npt.NDArray[np.float64]

SENTENCES_PER_BATCH = 32


@dataclass(frozen=True)
class _PartTask:
    encoder: Path
    digest: str
    sentences: Path
    segments: Path
    wanted: Path
    target: Path


@dataclass(frozen=True)
class WordMeans:
    """Mean vectors of words over their occurrences, computed a chunk at a time.

    Attributes:
        names: The sorted words, with the row of each.
        sums: Sum of each word's vectors, in the order of ``names``. Shape: (words, width).
        counts: Number of occurrences in each word's sum, in the order of ``names``. Shape: (words,).

    """

    names: SortedNames
    sums: DoubleMatrix
    counts: IntArray

    def chunks(self) -> Iterator[tuple[IntArray, FloatMatrix]]:
        """Yield chunks: the rows of some words, and their vectors. Shape: (rows, width)."""
        start = 0
        for rows in self.names.numbers():
            end = start + len(rows)
            # A word that occurs nowhere keeps a zero row instead of 0 / 0.
            means = self.sums[start:end] / np.maximum(self.counts[start:end], 1)[:, None]
            yield rows, means.astype(np.float32)
            start = end


def encode_in_sentences(words: Iterable[pa.Table], context: StageContext) -> WordMeans:
    """Average the last-layer states of each word, over its characters and then over its occurrences.

    These are its occurrences in train; for a word that does not occur there, those in all other splits.

    Args:
        words: Tables of ``WORDS``.
        context: Provides the encoder, the sentences and the executor.

    Returns:
        The mean vectors of the words.

    Raises:
        SsmiError: There is no sentence.
    """
    encoder = encoder_of(context)
    folder = context.scratch() / "in-sentences"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = folder / "words.arrow"
    write_names((table.rename_columns(NAMES.names) for table in words), wanted)
    names = SortedNames(wanted)
    parts = parts_of(context.folder("segment"))
    tasks = [
        _PartTask(
            encoder=encoder.path,
            digest=encoder.digest,
            sentences=tables.part_path(context.folder("prepare"), split, number),
            segments=path,
            wanted=wanted,
            target=folder / split / f"sums-{number:05d}.npz",
        )
        for split, number, path in parts
    ]
    if not tasks:
        raise SsmiError("embed: there is no sentence to embed", next_step="build the prepare stage again")
    sums = _on_disk(folder, (len(names), encoder.shape.width), np.float64)
    counts = _on_disk(folder, (len(names),), np.int64)
    done = context.map_tasks(sum_part, tasks, sizes=part_sizes(parts), label="embed")
    in_train = np.zeros(len(names), dtype=np.bool_)
    # In the parts' order, train first, so the float sums do not depend on which worker was first.
    for (split, _, _), task, _ in zip(parts, tasks, done, strict=True):
        with np.load(task.target, allow_pickle=False) as part:
            indices = part["indices"]
            if split == "train":
                in_train[indices] = True
            counted = np.full(len(indices), True) if split == "train" else ~in_train[indices]
            # Safe, though numpy adds only once for a repeated index: a part names each word once.
            sums[indices[counted]] += part["sums"][counted]
            counts[indices[counted]] += part["counts"][counted]
    return WordMeans(names, sums, counts)


def _on_disk(folder: Path, shape: tuple[int, ...], kind: type[np.generic]) -> npt.NDArray[Any]:
    """Make an array of zeros in an unnamed file, since the sums of many words may not fit in memory."""
    if not shape[0]:
        return np.zeros(shape, kind)  # an empty file cannot be mapped
    with tempfile.NamedTemporaryFile(dir=folder) as stream:
        array = np.memmap(stream, dtype=kind, mode="w+", shape=shape)
        replacing.reserve(Path(stream.name))
        return array


def sum_part(task: _PartTask) -> None:
    """Sum the vectors of each wanted segment over one part, and write word indices, sums and occurrences."""
    names = SortedNames(task.wanted)
    encoder = open_encoder(task.encoder, task.digest)
    sentences = tables.read_rows(task.sentences, schema.SENTENCES, columns=["characters"])
    segments = tables.read_rows(task.segments, schema.SEGMENTS, columns=["segments", "segment_starts"])
    distinct = pa.array({segment for row in segments for segment in row["segments"]}, pa.string())
    found, _ = names.find(distinct)
    places = {segment: place for segment, place in zip(distinct.to_pylist(), found.tolist(), strict=True) if place >= 0}
    occurrences = SpanMeanAccumulator(places)
    for start in range(0, len(sentences), SENTENCES_PER_BATCH):
        characters = [row["characters"] for row in sentences[start : start + SENTENCES_PER_BATCH]]
        batch = segments[start : start + SENTENCES_PER_BATCH]
        for row, states in zip(batch, encoder.states(characters), strict=True):
            occurrences.add(states, segments=row["segments"], starts=row["segment_starts"])
    indices = np.array(sorted(occurrences.sums), dtype=np.int64)
    sums = np.stack([occurrences.sums[index] for index in indices]) if len(indices) else np.zeros((0, encoder.width))
    counts = np.array([occurrences.counts[index] for index in indices], dtype=np.int64)
    task.target.parent.mkdir(parents=True, exist_ok=True)
    with replacing.writing(task.target) as temporary, temporary.open("wb") as stream:
        np.savez(stream, indices=indices, sums=sums, counts=counts)

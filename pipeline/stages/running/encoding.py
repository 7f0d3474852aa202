"""Shared code of stages that use the frozen encoder: find it, and encode words with the executor."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ssmi.pipeline.assets.encoders import EncoderFolder, find_encoder
from ssmi.pipeline.assets.vector_cache import vector_cache
from ssmi.pipeline.columns.sorting import in_groups, sorted_tables
from ssmi.pipeline.contract.encoders.vocabulary import encoder_vocabulary
from ssmi.pipeline.contract.parquet.statistics import AlignmentFit
from ssmi.pipeline.contract.storage import replacing
from ssmi.pipeline.features.alignment import ENCODING_VERSION, Alignment, isolated_vectors
from ssmi.pipeline.features.text.tokens import CharacterTokens
from ssmi.pipeline.stages.running.stage import StageContext

if TYPE_CHECKING:
    from ssmi.pipeline.frozen_encoder import FrozenEncoder

FloatMatrix = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

WORDS_PER_TASK = 256
WORDS = pa.schema([("word", pa.string()), ("row", pa.int64())])
"""Words to embed, and the row of each word's vector."""
_BY_LENGTH = WORDS.insert(0, pa.field("length", pa.int32()))


@dataclass(frozen=True)
class _WordsTask:
    encoder: Path
    digest: str
    words: Path
    chunk: int
    target: Path


@dataclass(frozen=True)
class _EncodedChunk:
    n_computed: int
    """Number of words that the cache did not have."""
    problems: list[str]
    """Reasons why the cache could not be used."""


def encoder_of(context: StageContext) -> EncoderFolder:
    """Find the encoder that params.yaml names, and fetch it if it is not on this machine.

    Raises:
        MissingResourceError: There is no encoder of that name.
        InputDataError: The encoder's type is not supported.
    """
    params = context.params.encoder
    return find_encoder(params.name, revision=params.revision, root=context.root, reporter=context.reporter)


def encoder_inputs(context: StageContext) -> Mapping[str, str]:
    """The encoder as an external input of a stage: name → digest."""
    encoder = encoder_of(context)
    return {f"encoder/{Path(encoder.name).name}": encoder.digest}


def alignment_fit(alignment: Alignment) -> AlignmentFit:
    """Summarize for a manifest how well a map between the two spaces fits."""
    return AlignmentFit(
        fitted_words=alignment.n_fitted,
        held_out_words=alignment.n_held_out,
        held_out_cosine=round(alignment.held_out_cosine, 4),
        shuffled_cosine=round(alignment.shuffled_cosine, 4),
    )


@lru_cache(maxsize=1)
def open_encoder(folder: Path, digest: str, *, layers: int | None = None, last_norm: bool = True) -> FrozenEncoder:
    """Open the frozen encoder once per process.

    Args:
        folder: The encoder's folder.
        digest: Digest of the encoder's files, which tells versions of one folder apart.
        layers: Number of first layers to load; None loads all.
        last_norm: Whether to apply a norm after the last layer, if the type has one.

    Returns:
        The encoder, in float32.
    """
    from ssmi.pipeline.frozen_encoder import FrozenEncoder  # loads torch and transformers

    return FrozenEncoder(folder, CharacterTokens(encoder_vocabulary(folder)), layers=layers, last_norm=last_norm)


def words_table(words: Sequence[str], *, first_row: int = 0) -> pa.Table:
    """Make a table of ``WORDS``, with rows numbered in the order of ``words``."""
    return pa.table([pa.array(words, pa.string()), pa.array(range(first_row, first_row + len(words)))], WORDS)


class WordVectors(Protocol):
    """Vectors of words, read a chunk at a time so that they need not all fit in memory."""

    def chunks(self) -> Iterator[tuple[IntArray, FloatMatrix]]:
        """Yield chunks: the rows of some words, and their vectors. Shape: (rows, width)."""
        ...


def vectors_of_rows(vectors: WordVectors, first: int, n: int) -> FloatMatrix:
    """Collect the vectors of ``n`` rows from ``first`` on. Shape: (n, width), or (0, 0) if there is no vector."""
    matrix: FloatMatrix = np.empty((0, 0), dtype=np.float32)
    for rows, some in vectors.chunks():
        if not matrix.size:
            matrix = np.empty((n, some.shape[1]), dtype=np.float32)
        asked = (rows >= first) & (rows < first + n)
        matrix[rows[asked] - first] = some[asked]
    return matrix


@dataclass(frozen=True)
class EncodedWords:
    """Vectors of words, in files.

    Attributes:
        words: File of the words in chunks, with the row of each word.
        files: Files of the vectors of each chunk.

    """

    words: Path
    files: tuple[Path, ...]

    def chunks(self) -> Iterator[tuple[IntArray, FloatMatrix]]:
        """Yield chunks: the rows of some words, and their vectors. Shape: (rows, width)."""
        for index, path in enumerate(self.files):
            yield _read_words(self.words, index)["row"].to_numpy(), np.load(path, allow_pickle=False)


def encode_words(words: Sequence[str], context: StageContext, *, label: str) -> FloatMatrix:
    """Encode words as ``encode_words_to_files`` does, into one matrix in their order. Shape: (words, width)."""
    return vectors_of_rows(encode_words_to_files([words_table(words)], context, label=label), 0, len(words))


def encode_words_to_files(words: Iterable[pa.Table], context: StageContext, *, label: str) -> EncodedWords:
    """Encode each word alone and average the states of its characters (last layer).

    Words are encoded in chunks. A worker takes the vectors that its machine's cache has and computes the others; both
    are the same to the last bit.

    Args:
        words: Tables of ``WORDS``, in any order.
        context: Provides the encoder, the executor and the scratch folder.
        label: Name of the work in progress reports, and of its folder in the scratch folder.

    Returns:
        The files, with one vector per word.
    """
    encoder = encoder_of(context)
    folder = context.scratch() / label.replace(" ", "-")
    folder.mkdir(parents=True, exist_ok=True)
    listed = folder / "words.arrow"
    sizes = _write_words(listed, words)
    tasks = [
        _WordsTask(encoder.path, encoder.digest, listed, index, folder / f"vectors-{index:06d}.npy")
        for index in range(len(sizes))
    ]
    n_computed = 0
    problems: set[str] = set()
    for done in context.map_tasks(encode_chunk, tasks, sizes=sizes, label=label, unit="words"):
        n_computed += done.n_computed
        problems.update(done.problems)
    for problem in sorted(problems):
        context.reporter.note(f"{label}: the cache of word vectors is not used: {problem}")
    if n_computed < sum(sizes):
        context.reporter.note(f"{label}: {n_computed:,} of {sum(sizes):,} words computed, the others were cached")
    return EncodedWords(listed, tuple(task.target for task in tasks))


def _write_words(path: Path, words: Iterable[pa.Table]) -> list[int]:
    """Write the words in chunks that tasks read by number, and return the chunks' sizes."""
    # Words of one length need no padding; sorted by text too, so that equal words make equal chunks.
    ascending = sorted_tables(
        (table.add_column(0, "length", pc.utf8_length(table["word"])) for table in words),
        _BY_LENGTH,
        order=[("length", "ascending"), ("word", "ascending"), ("row", "ascending")],
        folder=path.parent,
    )
    sizes = []
    with replacing.writing(path) as temporary, pa.ipc.new_file(temporary, WORDS) as writer:
        for chunk in in_groups(ascending, _BY_LENGTH, rows=WORDS_PER_TASK):
            writer.write_table(chunk.select(WORDS.names))
            sizes.append(len(chunk))
    return sizes


def _read_words(path: Path, index: int) -> pa.RecordBatch:
    # Memory-mapped, so that a task reads only its chunk.
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).get_batch(index)


def encode_chunk(task: _WordsTask) -> _EncodedChunk:
    """Write the vectors of one chunk of words, and add new ones to the machine's cache."""
    words = _read_words(task.words, task.chunk)["word"].to_pylist()
    cache = vector_cache(task.digest, ENCODING_VERSION)
    problems = []
    known: Mapping[str, FloatMatrix] = {}
    try:
        known = cache.find(words)
    except (sqlite3.Error, OSError) as error:
        problems.append(_described(error))
    new = [word for word in words if word not in known]
    if new:
        computed = isolated_vectors(new, open_encoder(task.encoder, task.digest).states)
        known = {**known, **dict(zip(new, computed, strict=True))}
        try:
            cache.add(new, computed)
        except (sqlite3.Error, OSError) as error:
            problems.append(_described(error))
    # Through a stream: np.save would append .npy to the temporary name, which has another ending.
    with replacing.writing(task.target) as temporary, temporary.open("wb") as stream:
        np.save(stream, np.stack([known[word] for word in words]), allow_pickle=False)
    return _EncodedChunk(len(new), sorted(set(problems)))


def _described(error: Exception) -> str:
    return f"{error} ({type(error).__name__})"

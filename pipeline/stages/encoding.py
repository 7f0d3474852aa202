"""What stages share of the frozen encoder: which one it is, and words through it, over the executor."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ssmi.pipeline.assets.encoders import EncoderFolder, find_encoder
from ssmi.pipeline.assets.vector_cache import vector_cache
from ssmi.pipeline.contract.encoders.vocabulary import encoder_vocabulary
from ssmi.pipeline.contract.parquet.statistics import AlignmentFit
from ssmi.pipeline.contract.storage import replacing
from ssmi.pipeline.features.alignment import ENCODING_VERSION, Alignment, isolated_vectors
from ssmi.pipeline.features.tokens import CharacterTokens
from ssmi.pipeline.stages.stage import StageContext

if TYPE_CHECKING:
    from ssmi.pipeline.frozen_encoder import FrozenEncoder

FloatMatrix = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

WORDS_PER_TASK = 256


_WORDS = pa.schema([("word", pa.string()), ("row", pa.int64())])


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
    """Words that the cache did not have."""
    problems: list[str]
    """Why the cache could not be used."""


def encoder_of(context: StageContext) -> EncoderFolder:
    """The encoder that params.yaml names, fetched when it is listed and not on this machine yet.

    Raises:
        MissingResourceError: There is no encoder of that name.
        InputDataError: Its type is not supported.
    """
    params = context.params.encoder
    return find_encoder(params.name, revision=params.revision, root=context.root, reporter=context.reporter)


def encoder_inputs(context: StageContext) -> Mapping[str, str]:
    """The encoder as an external input of a stage: name → digest."""
    encoder = encoder_of(context)
    return {f"encoder/{Path(encoder.name).name}": encoder.digest}


def alignment_fit(alignment: Alignment) -> AlignmentFit:
    """How well a map between the two spaces fits, for a manifest."""
    return AlignmentFit(
        fitted_words=alignment.n_fitted,
        held_out_words=alignment.n_held_out,
        held_out_cosine=round(alignment.held_out_cosine, 4),
        shuffled_cosine=round(alignment.shuffled_cosine, 4),
    )


@lru_cache(maxsize=1)
def open_encoder(folder: Path, digest: str, *, layers: int | None = None, last_norm: bool = True) -> FrozenEncoder:
    """Open the frozen encoder once a process.

    Args:
        folder: The encoder's folder.
        digest: Of its files, to tell versions of one folder apart.
        layers: Open the first ``layers`` only; None opens all.
        last_norm: Whether a norm behind the last layer is applied.

    Returns:
        The encoder, in float32.
    """
    from ssmi.pipeline.frozen_encoder import FrozenEncoder  # loads torch and transformers

    return FrozenEncoder(folder, CharacterTokens(encoder_vocabulary(folder)), layers=layers, last_norm=last_norm)


@dataclass(frozen=True)
class EncodedWords:
    """Vectors of words in files, a chunk at a time: all of them need not fit in memory.

    ``n``: how many words. ``files``: the vectors of each chunk. ``words``: the words, with the row of each.
    """

    n: int
    words: Path
    files: tuple[Path, ...]

    def chunks(self) -> Iterator[tuple[IntArray, FloatMatrix]]:
        """Yield the rows of some words, in the order that was asked, and their vectors. Shape: (rows, width)."""
        for index, path in enumerate(self.files):
            yield _read_words(self.words, index)["row"].to_numpy(), np.load(path, allow_pickle=False)

    def rows(self, first: int) -> FloatMatrix:
        """The vectors of the words from row ``first`` on. Shape: (n - first, width)."""
        vectors: FloatMatrix = np.empty((0, 0), dtype=np.float32)
        for rows, matrix in self.chunks():
            if not vectors.size:
                vectors = np.empty((self.n - first, matrix.shape[1]), dtype=np.float32)
            asked = rows >= first
            vectors[rows[asked] - first] = matrix[asked]
        return vectors


def encode_words(words: Sequence[str], context: StageContext, *, label: str) -> FloatMatrix:
    """``encode_words_to_files``, as one matrix in the order of ``words``. Shape: (words, width)."""
    return encode_words_to_files(words, context, label=label).rows(0)


def encode_words_to_files(words: Sequence[str], context: StageContext, *, label: str) -> EncodedWords:
    """Encode each word alone and average the states of its characters (last layer).

    The work is done in chunks. A worker takes the vectors that its machine's cache has, and computes the others; they
    are the same to the last bit.

    Args:
        words: The words, in any order.
        context: Where the work runs, and the scratch folder.
        label: What progress is reported as.

    Returns:
        Files of one vector a word.
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
    if n_computed < len(words):
        context.reporter.note(f"{label}: {n_computed:,} of {len(words):,} words computed, the others were kept")
    return EncodedWords(len(words), listed, tuple(task.target for task in tasks))


def _write_words(path: Path, words: Sequence[str]) -> list[int]:
    """Write the words in chunks that tasks read by number; returns the chunks' sizes."""
    # Chunks of equal lengths need no padding; by text too, so that equal words make equal chunks.
    order = sorted(range(len(words)), key=lambda index: (len(words[index]), words[index]))
    table = pa.table([pa.array([words[index] for index in order], pa.string()), pa.array(order, pa.int64())], _WORDS)
    batches = table.to_batches(max_chunksize=WORDS_PER_TASK)
    with replacing.writing(path) as temporary, pa.ipc.new_file(temporary, _WORDS) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return [batch.num_rows for batch in batches]


def _read_words(path: Path, index: int) -> pa.RecordBatch:
    # Mapped: a task reads its chunk alone.
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).get_batch(index)


def encode_chunk(task: _WordsTask) -> _EncodedChunk:
    """Write the vectors of one chunk of words, and keep those that are new in the machine's cache."""
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
    # Through a stream: np.save would append .npy to the temporary name, which ends otherwise.
    with replacing.writing(task.target) as temporary, temporary.open("wb") as stream:
        np.save(stream, np.stack([known[word] for word in words]), allow_pickle=False)
    return _EncodedChunk(len(new), sorted(set(problems)))


def _described(error: Exception) -> str:
    return f"{error} ({type(error).__name__})"

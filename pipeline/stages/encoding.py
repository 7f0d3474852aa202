"""What stages share of the frozen encoder: which one it is, and words through it, over the executor."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ssmi.pipeline.assets.encoders import EncoderFolder, find_encoder
from ssmi.pipeline.contract.encoders.vocabulary import encoder_vocabulary
from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.statistics import AlignmentFit
from ssmi.pipeline.contract.storage.arrays import load_sealed, save_sealed
from ssmi.pipeline.features.alignment import ENCODING_VERSION, Alignment, isolated_vectors
from ssmi.pipeline.features.tokens import CharacterTokens
from ssmi.pipeline.stages.stage import StageContext

if TYPE_CHECKING:
    from ssmi.pipeline.frozen_encoder import FrozenEncoder

FloatMatrix = npt.NDArray[np.float32]

WORDS_PER_TASK = 256


@dataclass(frozen=True)
class _WordsTask:
    encoder: Path
    digest: str
    words: tuple[str, ...]
    target: Path


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


def encode_words(words: Sequence[str], context: StageContext, *, label: str) -> FloatMatrix:
    """Encode each word alone and average the states of its characters (last layer).

    The work is done in chunks. A chunk's file is named by the digest of all that it depends on (the encoder, the code
    that runs it, the words), so an interrupted run resumes where it stopped.

    Args:
        words: The words, in any order.
        context: Where the work runs, and the scratch folder.
        label: What progress is reported as.

    Returns:
        One vector a word, in the order of ``words``. Shape: (words, width).
    """
    encoder = encoder_of(context)
    # Chunks of equal lengths need no padding; by text too, so that equal words make equal chunks and files.
    order = sorted(range(len(words)), key=lambda index: (len(words[index]), words[index]))
    tasks = []
    for start in range(0, len(order), WORDS_PER_TASK):
        chunk = tuple(words[index] for index in order[start : start + WORDS_PER_TASK])
        key = "\n".join((encoder.digest, str(ENCODING_VERSION), *chunk)).encode("utf-8", "surrogatepass")
        name = hashlib.sha256(key).hexdigest()
        tasks.append(_WordsTask(encoder.path, encoder.digest, chunk, context.scratch() / "embed" / f"{name}.vectors"))
    files = context.map_tasks(
        _encode_chunk, tasks, sizes=[len(task.words) for task in tasks], label=label, unit="words"
    )
    matrices = [_read_chunk(path) for path in files]
    vectors: FloatMatrix = np.empty((len(words), matrices[0].shape[1] if matrices else 0), dtype=np.float32)
    if matrices:
        vectors[order] = np.concatenate(matrices)
    return vectors


def _encode_chunk(task: _WordsTask) -> Path:
    """Encode one chunk of words unless its file is there, as it was written."""
    if load_sealed(task.target) is None:
        task.target.parent.mkdir(parents=True, exist_ok=True)
        vectors = isolated_vectors(task.words, open_encoder(task.encoder, task.digest).states)
        save_sealed(task.target, vectors)
    return task.target


def _read_chunk(path: Path) -> FloatMatrix:
    vectors = load_sealed(path)
    if vectors is None:
        raise StaleArtifactError(f"{path}: changed since it was written", next_step="run the same command again")
    return vectors

"""Cross-validation folds of train and dev: the fold of each sentence, and the train and dev side of a fold.

Sentences with equal text are in the same fold, so that no network is scored on a text it was trained on. The folds
depend on all texts and their entity counts, not on the order of the texts, their split or a run's seed: every run on
the same sentences has the same folds. Test sentences are in no fold.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ssmi.model.data.boundaries import BoundaryTable, Ids
from ssmi.model.data.shards import Shards, characters_of, read_split
from ssmi.model.data.split import RequiredFeatures, Split
from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.contract.parameters.params import TrainParams

PARTS = ("train", "dev")
"""The splits that are divided into folds, in the order in which their sentences are numbered."""
_SEED = b"ssmi folds 1"
"""Key of the digests that order texts otherwise equal, which is as good as a random order."""


@dataclass(frozen=True, slots=True)
class Fold:
    """A fold of a cross-validation: this fold is dev, the other folds are train.

    Attributes:
        number: Number of this fold, from 1.
        n_folds: Number of folds, at least 2.

    """

    number: int
    n_folds: int

    @classmethod
    def of(cls, params: TrainParams) -> Fold | None:
        """Return the fold that a run's parameters select; None if the run uses the splits as they are."""
        if params.folds is None or params.fold is None:
            return None
        return cls(params.fold, params.folds)


def assign(texts: Sequence[Sequence[str]], n_entities: Sequence[int], *, n_folds: int) -> npt.NDArray[np.int64]:
    """Assign a fold to every sentence.

    Each text goes to the fold with the fewest sentences so far, ties broken by the fewest entities. Texts that occur
    most often are assigned first, then texts with more entities, then in the order of a digest. The sizes of folds thus
    differ by at most one sentence if enough texts occur only once, and their entity counts differ little.

    Args:
        texts: The characters of each sentence.
        n_entities: The number of gold entities of each sentence.
        n_folds: Number of folds, at least 1.

    Returns:
        The fold of each sentence, from 1 to ``n_folds``. Shape: (n_sentences,)

    """
    members: dict[bytes, list[int]] = {}
    for index, text in enumerate(texts):
        members.setdefault(_digest(text), []).append(index)
    weights = {digest: (len(rows), sum(n_entities[row] for row in rows)) for digest, rows in members.items()}
    # The number comes last, so that of equal folds the first is taken.
    loads = [(0, 0, fold) for fold in range(1, n_folds + 1)]
    folds = np.zeros(len(texts), dtype=np.int64)
    for digest in sorted(members, key=lambda one: (-weights[one][0], -weights[one][1], one)):
        lightest = min(loads)
        sentences, entities, fold = lightest
        loads[fold - 1] = (sentences + weights[digest][0], entities + weights[digest][1], fold)
        folds[members[digest]] = fold
    return folds


class FoldSides(NamedTuple):
    """Both sides of a fold, and the characters of the sentences of dev."""

    train: Split
    dev: Split
    dev_characters: list[list[str]]


def read_sides(shards: Shards, fold: Fold, *, boundaries: BoundaryTable, required: RequiredFeatures) -> FoldSides:
    """Read both sides of a fold at once; see ``read_fold`` for the arguments and the errors."""
    sentences, texts = _read(shards, boundaries=boundaries, required=required)
    train, dev = (_rows_of(texts, sentences.gold, split, fold) for split in PARTS)
    return FoldSides(sentences.take(train), sentences.take(dev), [texts[row] for row in dev.tolist()])


def read_fold(
    shards: Shards, split: str, fold: Fold, *, boundaries: BoundaryTable, required: RequiredFeatures
) -> Split:
    """Read one side of a fold from train and dev; also raises the errors of ``read_split``.

    Args:
        shards: The opened shards.
        split: ``dev`` for the fold itself, ``train`` for the other folds.
        fold: The fold.
        boundaries: The table that gives the embedding rows.
        required: The features that the network reads.

    Raises:
        InputDataError: There are fewer distinct texts than folds.

    """
    sentences, texts = _read(shards, boundaries=boundaries, required=required)
    return sentences.take(_rows_of(texts, sentences.gold, split, fold))


def fold_characters(shards: Shards, split: str, fold: Fold) -> list[list[str]]:
    """Read the characters of every sentence of ``read_fold``, in the same order."""
    sentences, texts = _read(shards, boundaries=shards.boundaries, required=RequiredFeatures())
    return [texts[row] for row in _rows_of(texts, sentences.gold, split, fold).tolist()]


def _read(shards: Shards, *, boundaries: BoundaryTable, required: RequiredFeatures) -> tuple[Split, list[list[str]]]:
    """Read the sentences of train and dev, end to end, and the characters of each."""
    parts = [read_split(shards, name, boundaries=boundaries, required=required) for name in PARTS]
    return Split.joined(parts), [text for name in PARTS for text in characters_of(shards, name)]


def _rows_of(texts: Sequence[Sequence[str]], gold: Sequence[Sequence[Span]], split: str, fold: Fold) -> Ids:
    """Return the sentences of one side of a fold, numbered through train and dev."""
    folds = assign(texts, [len(spans) for spans in gold], n_folds=fold.n_folds)
    if len(set(folds.tolist())) < fold.n_folds:
        raise InputDataError(
            f"train and dev have fewer than {fold.n_folds} different texts, so not every fold has a sentence",
            next_step="fewer folds",
        )
    return np.flatnonzero(folds == fold.number if split == "dev" else folds != fold.number)


def _digest(text: Sequence[str]) -> bytes:
    # Escaped JSON, because a lone surrogate has no UTF-8 and joined characters would lose where each ends.
    return hashlib.blake2b(json.dumps(list(text)).encode(), digest_size=16, key=_SEED).digest()

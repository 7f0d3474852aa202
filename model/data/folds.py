"""Folds of train and dev for cross-validation: which fold each sentence is in, and the two sides of a fold.

Sentences of equal text are in one fold, so that no network is scored on a text it was trained on. The fold of a text
depends on all texts together, not on their order or the split they come from, and on no seed of a run: every run on the
same sentences has the same folds. Test is never in one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ssmi.model.data.boundaries import BoundaryTable, Ids
from ssmi.model.data.shards import Shards, characters_of, read_split
from ssmi.model.data.split import RequiredFeatures, Split
from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.parameters.params import TrainParams

PARTS = ("train", "dev")
"""The splits that folds are made of, in the order in which their sentences are numbered."""
_SEED = b"ssmi folds 1"
"""Of the digests that put texts of equal size in an order: as good as drawn at random."""


@dataclass(frozen=True, slots=True)
class Fold:
    """One of several folds: it is dev, all the others are train.

    Attributes:
        number: From 1.
        n_folds: How many there are, at least 2.

    """

    number: int
    n_folds: int

    @classmethod
    def of(cls, params: TrainParams) -> Fold | None:
        """The fold of a run's parameters; None where it is trained on the splits as they are."""
        if params.folds is None or params.fold is None:
            return None
        return cls(params.fold, params.folds)


def assign(texts: Sequence[Sequence[str]], n_entities: Sequence[int], *, n_folds: int) -> npt.NDArray[np.int64]:
    """The fold of every sentence.

    Texts go one by one to the fold that has the fewest sentences so far, and of those the fewest entities; those that
    stand more than once go first, then those with more entities, then in the order of a digest. So folds differ by one
    sentence at most where enough texts stand once, and by few entities.

    Args:
        texts: The characters of each sentence.
        n_entities: How many gold entities each has.
        n_folds: At least 1.

    Returns:
        From 1 to ``n_folds``. Shape: (n_sentences,)

    """
    members: dict[bytes, list[int]] = {}
    for index, text in enumerate(texts):
        members.setdefault(_digest(text), []).append(index)
    weights = {digest: (len(rows), sum(n_entities[row] for row in rows)) for digest, rows in members.items()}
    # The number stands last, so that of equal folds the first one is taken.
    loads = [(0, 0, fold) for fold in range(1, n_folds + 1)]
    folds = np.zeros(len(texts), dtype=np.int64)
    for digest in sorted(members, key=lambda one: (-weights[one][0], -weights[one][1], one)):
        lightest = min(loads)
        sentences, entities, fold = lightest
        loads[fold - 1] = (sentences + weights[digest][0], entities + weights[digest][1], fold)
        folds[members[digest]] = fold
    return folds


def read_fold(shards: Shards, split: str, fold: Fold, *, boundaries: BoundaryTable, wanted: RequiredFeatures) -> Split:
    """A fold's side of train and dev; arguments and errors are those of ``read_split``.

    Args:
        shards: The opened folder.
        split: ``dev`` for the fold itself, ``train`` for all others.
        fold: Which.
        boundaries: Gives the embedding rows.
        wanted: What the network reads.

    Raises:
        InputDataError: There are fewer different texts than folds.

    """
    parts = [read_split(shards, name, boundaries=boundaries, wanted=wanted) for name in PARTS]
    texts = [text for name in PARTS for text in characters_of(shards, name)]
    return Split.joined(parts).take(_rows_of(texts, [len(spans) for part in parts for spans in part.gold], split, fold))


def fold_characters(shards: Shards, split: str, fold: Fold) -> list[list[str]]:
    """The characters of every sentence of ``read_fold``, in its order."""
    no_features = RequiredFeatures()
    parts = [read_split(shards, name, boundaries=shards.boundaries, wanted=no_features) for name in PARTS]
    texts = [text for name in PARTS for text in characters_of(shards, name)]
    rows = _rows_of(texts, [len(spans) for part in parts for spans in part.gold], split, fold)
    return [texts[row] for row in rows.tolist()]


def _rows_of(texts: Sequence[Sequence[str]], n_entities: Sequence[int], split: str, fold: Fold) -> Ids:
    """The sentences of one side of a fold, numbered through train and dev."""
    folds = assign(texts, n_entities, n_folds=fold.n_folds)
    if len(set(folds.tolist())) < fold.n_folds:
        raise InputDataError(
            f"train and dev have fewer than {fold.n_folds} different texts, so not every fold has a sentence",
            next_step="fewer folds",
        )
    return np.flatnonzero(folds == fold.number if split == "dev" else folds != fold.number)


def _digest(text: Sequence[str]) -> bytes:
    # Escaped JSON: a lone surrogate has no UTF-8, and joined characters would not say where each ends.
    return hashlib.blake2b(json.dumps(list(text)).encode(), digest_size=16, key=_SEED).digest()

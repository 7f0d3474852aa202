"""The position of each character in the word of its best boundary."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ssmi.model.data.boundaries import NO_BOUNDARY, Ids, Rows
from ssmi.model.data.features.feature_checks import REBUILD
from ssmi.pipeline.contract.errors import StaleArtifactError

BOUNDARY_ROLES = ("none", "first", "inner", "last", "alone")
"""Positions of a character in its best boundary; "none" is for characters without a boundary and for padding."""
WordsOf = Callable[[Ids], Sequence[str]]
"""Boundary ids above 0 → their words."""

_BITS = np.uint64(32)


def boundary_roles(ids: npt.NDArray[np.integer], texts: Sequence[str], *, words_of: WordsOf, source: str) -> Rows:
    """Return the position of each character in its best boundary's word, at its first occurrence in the word.

    Args:
        ids: The best boundary S_m of each character, 0 for none. Shape: (n_characters,)
        texts: The sentences, n_characters code points in total.
        words_of: Function that gives the words of boundaries.
        source: Name of the split in errors.

    Returns:
        An index of ``BOUNDARY_ROLES`` for each character. Shape: (n_characters,)

    Raises:
        StaleArtifactError: A best boundary does not contain its character.

    """
    # surrogatepass, because a text may hold a lone surrogate, which is a character like any other.
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype="<u4")
    # Distinct pairs are few, and each is looked up once.
    pairs, pair_of_each = np.unique((ids.astype(np.uint64) << _BITS) | codes, return_inverse=True)
    roles = _roles((pairs >> _BITS).astype(np.int64), pairs.astype(np.uint32), words_of=words_of, source=source)
    return roles[pair_of_each]


def _roles(ids: Ids, codes: npt.NDArray[np.uint32], *, words_of: WordsOf, source: str) -> Rows:
    """Return the roles of (boundary, character) pairs. Shape: (n_pairs,)."""
    # 0 is added, so that the first distinct id is always "no boundary" and the first word is empty.
    distinct, word_of_each = np.unique(np.append(NO_BOUNDARY, ids), return_inverse=True)
    word_of_each = word_of_each[1:]
    words = np.array(["", *words_of(distinct[1:])])
    letters = words.view(np.uint32).reshape(len(words), -1)  # numpy stores a word as code points padded with zeros
    places = letters[word_of_each] == codes[:, None]
    lengths, first = np.char.str_len(words)[word_of_each], places.argmax(axis=1)
    chosen = ids > NO_BOUNDARY
    strangers = np.flatnonzero(chosen & ~places.any(axis=1))
    if strangers.size:
        pair = strangers[0]
        raise StaleArtifactError(
            f"{source}: the best boundary of {chr(codes[pair])!r} is {str(words[word_of_each[pair]])!r}, "
            "which does not hold it",
            next_step=REBUILD,
        )
    kinds = [~chosen, lengths == 1, first == 0, first == lengths - 1]
    return np.select(kinds, [0, 4, 1, 3], default=2).astype(np.int32)

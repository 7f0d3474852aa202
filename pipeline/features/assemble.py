"""Assemble the shard columns that follow from a text and its gold entities, and a tagger's feature row of a text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from ssmi.pipeline.contract.labels import INSIDE_ROLE, ROLES, TagScheme
from ssmi.pipeline.contract.offsets import indices_of, offsets_of
from ssmi.pipeline.contract.parquet.feature_rows import FeatureRow, SelectedBoundaries
from ssmi.pipeline.features.columns import Ints, MatchColumns, SentenceColumns
from ssmi.pipeline.features.text.tokens import CharacterTokens
from ssmi.pipeline.features.text.windows import window_starts


def tag_ids(starts: Ints, ends: Ints, types: Ints, *, n_characters: int, scheme: TagScheme) -> npt.NDArray[np.int16]:
    """Compute the tag of each character, numbered as in ``LabelSet.tags``.

    Args:
        starts: Start positions of the entities, which must not overlap.
        ends: End positions of the entities, exclusive.
        types: The index of each entity's type in the label set.
        n_characters: Length of the text.
        scheme: Tag scheme of the label set.

    Returns:
        The tag ids. Shape: (n_characters,)
    """
    roles = ROLES[scheme]
    tags = np.zeros(n_characters, dtype=np.int16)
    first_tags = 1 + types * len(roles)  # 0 is O
    lengths = ends - starts
    tags[indices_of(starts, lengths)] = np.repeat(first_tags + roles.index(INSIDE_ROLE[scheme]), lengths)
    if "E" in roles:
        tags[ends - 1] = first_tags + roles.index("E")
    tags[starts] = first_tags + roles.index("B")
    if "S" in roles:
        alone = lengths == 1
        tags[starts[alone]] = first_tags[alone] + roles.index("S")
    return tags


def windows_of(sentences: SentenceColumns, *, max_window: int) -> tuple[Ints, Ints]:
    """Cut many sentences into windows.

    Returns:
        For each sentence the number of windows before it, followed by the total, shape (sentences + 1,); and the start
        of each window within its sentence, shape (windows,).
    """
    lengths = np.diff(sentences.offsets)
    counts = np.ones(len(sentences), dtype=np.int64)
    cut = {
        index: window_starts(sentences.text[slice(*sentences.offsets[index : index + 2])], max_window=max_window)
        for index in np.flatnonzero(lengths > max_window).tolist()
    }
    for index, starts in cut.items():
        counts[index] = len(starts)
    offsets = offsets_of(counts)
    windows = np.zeros(offsets[-1], dtype=np.int64)
    for index, starts in cut.items():
        windows[offsets[index] : offsets[index + 1]] = starts
    return offsets, windows


def named_boundaries(columns: Iterable[npt.NDArray[np.integer]]) -> Ints:
    """Return the distinct boundary ids in the columns, ascending, without 0."""
    named = np.zeros(1, dtype=np.bool_)
    for column in columns:
        if len(column) and (highest := int(column.max())) >= len(named):
            named.resize(highest + 1, refcheck=False)
        named[column] = True
    named[0] = False
    return np.flatnonzero(named)


def feature_row(
    *,
    characters: Sequence[str],
    selections: Sequence[SelectedBoundaries],
    local_ids: Sequence[int],
    segment_starts: Sequence[int],
    tokens: CharacterTokens,
    max_window: int,
    matches: MatchColumns | None,
) -> FeatureRow:
    """Build the columns of ``schema.SHARDS`` that follow from the text alone.

    Args:
        characters: One code point each.
        selections: One selection per character.
        local_ids: The local boundary of each character.
        segment_starts: The position of each segment's first character.
        tokens: The map from characters to the encoder's token ids.
        max_window: The maximum number of characters of a window.
        matches: Every vocabulary word inside the sentence, sorted by (start, end); None to store no matches.

    Returns:
        The feature row of the sentence.
    """
    return {
        "characters": list(characters),
        "token_ids": tokens.ids(characters),
        "best_ids": [selection["best_id"] for selection in selections],
        "best_cosines": [selection["best_cosine"] or 0.0 for selection in selections],
        "set_ids": [selection["set_ids"] for selection in selections],
        "negative_ids": [selection["negative_ids"] for selection in selections],
        "local_ids": list(local_ids),
        "segment_starts": list(segment_starts),
        "window_starts": window_starts(characters, max_window=max_window),
        "match_starts": None if matches is None else matches.starts.tolist(),
        "match_ends": None if matches is None else matches.ends.tolist(),
        "match_ids": None if matches is None else matches.ids.tolist(),
    }

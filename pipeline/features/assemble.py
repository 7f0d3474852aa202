"""The shard row of a sentence, put together from what the stages computed. Made here both off line and on line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ssmi.pipeline.contract.feature_rows import FeatureRow, SelectedBoundaries, ShardRow
from ssmi.pipeline.contract.labels import LabelSet, Span, spans_to_tags
from ssmi.pipeline.features.pmi import Match
from ssmi.pipeline.features.tokens import CharacterTokens
from ssmi.pipeline.features.windows import window_starts


def shard_row(
    *,
    sentence_id: int,
    characters: Sequence[str],
    entities: Sequence[Span] | None,
    selections: Sequence[SelectedBoundaries],
    local_ids: Sequence[int],
    segment_starts: Sequence[int],
    labels: LabelSet,
    tag_ids: Mapping[str, int],
    tokens: CharacterTokens,
    max_window: int,
    hidden_start: int | None,
    matches: Sequence[Match] | None,
) -> ShardRow:
    """A row of ``schema.SHARDS``; ``selections`` has one a character, ``matches`` is None to keep none.

    entities: Gold; None in text without labels.
    """
    tags = None
    if entities is not None:
        tags = spans_to_tags(entities, n_characters=len(characters), scheme=labels.scheme)
    features = feature_row(
        characters=characters,
        selections=selections,
        local_ids=local_ids,
        segment_starts=segment_starts,
        tokens=tokens,
        max_window=max_window,
        matches=matches,
    )
    return {
        "sentence_id": sentence_id,
        "tag_ids": None if tags is None else [tag_ids[tag] for tag in tags],
        "entities": None
        if entities is None
        else [{"start": span.start, "end": span.end, "label": span.label} for span in entities],
        "hidden_start": hidden_start,
        **features,
    }


def feature_row(
    *,
    characters: Sequence[str],
    selections: Sequence[SelectedBoundaries],
    local_ids: Sequence[int],
    segment_starts: Sequence[int],
    tokens: CharacterTokens,
    max_window: int,
    matches: Sequence[Match] | None,
) -> FeatureRow:
    """The columns of ``schema.SHARDS`` that follow from the text alone; ``selections`` holds a row a character.

    matches: Every vocabulary word inside the sentence, by (start, end); None to keep none.
    """
    starts, ends, ids = (
        (None, None, None) if matches is None else ([match[column] for match in matches] for column in range(3))
    )
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
        "match_starts": starts,
        "match_ends": ends,
        "match_ids": ids,
    }


def boundaries_named(rows: Sequence[FeatureRow]) -> set[int]:
    """Every boundary id that shard rows name, 0 left out."""
    named: set[int] = set()
    for row in rows:
        named.update(row["best_ids"], row["local_ids"], row["match_ids"] or ())
        for ids in (*row["set_ids"], *row["negative_ids"]):
            named.update(ids)
    named.discard(0)
    return named

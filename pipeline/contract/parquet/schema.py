"""Arrow schemas of all tables in the artifacts. Increase ``SCHEMA_VERSION`` when one changes.

Positions count *characters*, one Unicode code point each: readers split longer tokens. Intervals are half-open.
Boundary id 0 means "no boundary"; the ids of vocabulary words start at 1.
"""

from __future__ import annotations

import pyarrow as pa

SCHEMA_VERSION = 4

_ids = pa.list_(pa.int32())
_id_sets = pa.list_(_ids)
_entities = pa.list_(
    pa.struct([pa.field("start", pa.int32()), pa.field("end", pa.int32()), pa.field("label", pa.string())])
)

SENTENCES = pa.schema(
    [
        ("sentence_id", pa.int32()),  # 0-based within the split
        ("line", pa.int32()),  # 1-based line of the raw file on which the sentence starts
        ("characters", pa.list_(pa.string())),
        ("entities", _entities),  # gold, in order, never overlapping; null in a corpus
    ]
)
"""prepare: ``artifacts/prepare/<dataset>/<split>/part-*.parquet``."""

SOURCES = pa.schema(
    [
        ("sentence_id", pa.int32()),
        ("text_id", pa.int64()),  # 0-based number of the text in the corpus, counting blank texts too
        ("file", pa.string()),  # name of the text's file, relative to the corpus
        ("line", pa.int64()),  # 1-based line of the text in its file; in a table, its row
        ("start", pa.int64()),  # position of the sentence's first character in the text as given
        ("positions", pa.list_(pa.int64())),  # of every character in the text; null if consecutive from start
    ]
)
"""prepare: ``artifacts/prepare/<corpus>/sources/part-*.parquet``: where each sentence of a corpus comes from."""

VOCABULARY = pa.schema(
    [
        ("boundary_id", pa.int32()),  # from 1, in the vector file's order
        ("word", pa.string()),
    ]
)
"""vocab: ``artifacts/vocab/words.parquet``."""

CHARACTER_INDEX = pa.schema(
    [
        ("character", pa.string()),
        ("start", pa.int64()),  # half-open range in character_boundaries.npy
        ("end", pa.int64()),
    ]
)
"""vocab: ``artifacts/vocab/characters.parquet``: which range of the CSR array holds a character's boundaries."""

SEGMENTS = pa.schema(
    [
        ("sentence_id", pa.int32()),
        ("segments", pa.list_(pa.string())),  # tile the sentence
        ("segment_starts", _ids),  # first character of each segment
    ]
)
"""segment: ``artifacts/segment/<dataset>/<split>/part-*.parquet``."""

DISTINCT_SEGMENTS = pa.schema(
    [
        ("segment_id", pa.int32()),  # row of vectors.npy
        ("segment", pa.string()),
        ("boundary_id", pa.int32()),  # 0: out of the vocabulary
        ("n_train", pa.int64()),  # occurrences per split; all 0: precomputed for new text; null in a corpus
        ("n_dev", pa.int64()),
        ("n_test", pa.int64()),
    ]
)
"""embed: ``artifacts/embed/<dataset>/segments.parquet``."""

SELECTIONS = pa.schema(
    [
        ("selection_id", pa.int32()),
        ("character", pa.string()),
        ("segment", pa.string()),
        ("candidates", _ids),  # null in vocabulary scope: all boundaries of the character
        ("n_candidates", pa.int32()),
        ("best_id", pa.int32()),  # 0: no candidate
        ("best_cosine", pa.float32()),  # null without a candidate
        ("set_ids", _ids),  # best first
        ("set_cosines", pa.list_(pa.float32())),
        ("negative_ids", _ids),  # lowest first
    ]
)
"""selection: ``artifacts/selection/<dataset>/selections/part-*.parquet``: one selection for each distinct query."""

SELECTION_IDS = pa.schema([("sentence_id", pa.int32()), ("selection_ids", _ids)])
"""selection: ``artifacts/selection/<dataset>/<split>/part-*.parquet``: one selection for each character."""

COSINES = pa.schema(
    [
        ("cosine_from", pa.float32()),  # a bin is [cosine_from, cosine_from + 0.02)
        ("n_candidates", pa.int64()),  # of distinct selections
    ]
)
"""selection: ``artifacts/selection/<dataset>/cosines.parquet``: histogram over all candidates."""

PMI_PAIRS = pa.schema(
    [
        ("character", pa.string()),
        ("boundary_id", pa.int32()),
        ("n_events", pa.int64()),  # A: match events of this character and boundary
        ("pmi", pa.float64()),
        ("weight", pa.float64()),  # p(b) * PMI(c, b)
    ]
)
"""pmi: ``artifacts/pmi/<dataset>/pairs.parquet``."""

MATCHES = pa.schema(
    [
        ("sentence_id", pa.int32()),
        ("match_starts", _ids),  # every vocabulary word inside the sentence, by (start, end)
        ("match_ends", _ids),
        ("match_ids", _ids),
        ("local_ids", _ids),  # per character: the local boundary, 0 for none
    ]
)
"""pmi: ``artifacts/pmi/<dataset>/<split>/part-*.parquet``."""

SHARDS = pa.schema(
    [
        ("sentence_id", pa.int32()),
        ("characters", pa.list_(pa.string())),
        ("token_ids", _ids),  # the encoder's id of each character
        ("tag_ids", pa.list_(pa.int16())),  # null in a corpus
        ("entities", _entities),  # null in a corpus
        ("best_ids", _ids),  # S_m
        ("best_cosines", pa.list_(pa.float32())),  # 0 where best_ids is 0
        ("set_ids", _id_sets),  # S_s, best first
        ("negative_ids", _id_sets),
        ("local_ids", _ids),
        ("segment_starts", _ids),
        ("window_starts", _ids),  # where the encoder's windows begin; [0] for a sentence that fits
        ("match_starts", _ids),  # as in MATCHES; null without matches
        ("match_ends", _ids),
        ("match_ids", _ids),
        ("hidden_start", pa.int64()),  # first row in part-*.hidden.npy; null without hidden states
    ]
)
"""shards: ``artifacts/shards/<dataset>/<split>/part-*.parquet``: one row per sentence, all the trainer reads."""

PREDICTIONS = pa.schema(
    [
        ("text_id", pa.int64()),  # as in SOURCES
        ("start", pa.int64()),  # position in the text as given
        ("end", pa.int64()),
        ("label", pa.string()),
        ("score", pa.float64()),  # probability of exactly this entity, 0 to 1
    ]
)
"""predict: ``artifacts/predict/<run>/<corpus>/part-*.parquet``: one row per entity, in the order of the texts."""

COUNTS = pa.schema(
    [
        ("sentence", pa.string()),  # digest of the sentence's characters and gold entities
        (
            "counts",  # of each type that is gold or predicted in the sentence
            pa.list_(
                pa.struct(
                    [
                        pa.field("label", pa.string()),
                        pa.field("gold", pa.int32()),
                        pa.field("predicted", pa.int32()),
                        pa.field("correct", pa.int32()),
                    ]
                )
            ),
        ),
    ]
)
"""train: ``<run>/counts/<split>.parquet``: one row per sentence, in the split's order."""

ABLATION_COUNTS = pa.schema([("configuration", pa.string()), ("seed", pa.int64()), *COUNTS])
"""ablate, with folds: ``folds-N/counts.parquet``: one row per sentence, seed and configuration."""


def boundaries(width: int) -> pa.Schema:
    """shards: ``artifacts/shards/<dataset>/boundaries.parquet``, the boundaries the shards refer to; ``width`` = d."""
    return pa.schema([("boundary_id", pa.int32()), ("word", pa.string()), ("vector", pa.list_(pa.float32(), width))])

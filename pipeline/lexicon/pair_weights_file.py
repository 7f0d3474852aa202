"""The file of (character, boundary) pair weights that the pmi stage writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ssmi.pipeline.columns.lists import text_of, whole
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.features.columns import SentenceColumns
from ssmi.pipeline.features.pmi import PairWeights, pair_keys

PAIRS_FILE = "pairs.parquet"


def read_weights(pairs: Path) -> PairWeights:
    """Read the weights of the pairs scored by the pmi stage."""
    table = tables.read_table(pairs, schema.PMI_PAIRS, columns=["character", "boundary_id", "weight"])
    characters = SentenceColumns.of([text_of(whole(table, "character"))])
    keys = pair_keys(characters.codes, whole(table, "boundary_id").to_numpy().astype(np.int64))
    # The stage writes sorted pairs; sorting again makes the result independent of the table's order.
    order = keys.argsort(kind="stable")
    return PairWeights(keys[order], whole(table, "weight").to_numpy()[order])

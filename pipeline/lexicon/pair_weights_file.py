"""The file of the weights of (character, boundary) pairs that the pmi stage writes."""

from __future__ import annotations

from pathlib import Path

from ssmi.pipeline.contract import schema, tables
from ssmi.pipeline.features.pmi import PairWeights

PAIRS_FILE = "pairs.parquet"


def read_weights(pairs: Path) -> PairWeights:
    """Read the weights of the pairs that the pmi stage scored."""
    table = tables.read_table(pairs, schema.PMI_PAIRS, columns=["character", "boundary_id", "weight"]).to_pydict()
    keys = zip(table["character"], table["boundary_id"], strict=True)
    return PairWeights(dict(zip(keys, table["weight"], strict=True)))

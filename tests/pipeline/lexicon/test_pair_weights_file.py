"""Pair weights, read from the table that the pmi stage writes."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.features.pmi import pairs_of
from ssmi.pipeline.lexicon.pair_weights_file import PAIRS_FILE, read_weights

PAIRS = st.dictionaries(
    st.tuples(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=1), st.integers(1, 2**31 - 1)),
    st.floats(allow_nan=False, allow_infinity=False),
    max_size=20,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(PAIRS)
def test_weights_are_read_exactly_as_they_were_written(tmp_path: Path, weights: dict[tuple[str, int], float]) -> None:
    rows = [
        {"character": character, "boundary_id": boundary, "n_events": 7, "pmi": -weight, "weight": weight}
        for (character, boundary), weight in weights.items()
    ]
    tables.write_rows(tmp_path / PAIRS_FILE, schema.PMI_PAIRS, rows)
    read = read_weights(tmp_path / PAIRS_FILE)
    assert read.keys.tolist() == sorted(read.keys.tolist())
    codes, boundaries = pairs_of(read.keys)
    pairs = zip(map(chr, codes.tolist()), boundaries.tolist(), strict=True)
    by_pair = {pair: weight.hex() for pair, weight in zip(pairs, read.weights.tolist(), strict=True)}
    assert by_pair == {pair: weight.hex() for pair, weight in weights.items()}


def test_missing_and_foreign_tables_are_refused(tmp_path: Path) -> None:
    path = tmp_path / PAIRS_FILE
    with pytest.raises(MissingResourceError, match=r"pairs\.parquet: does not exist"):
        read_weights(path)
    path.write_bytes(b"PAR1 cut short")
    with pytest.raises(StaleArtifactError, match=r"pairs\.parquet: not a Parquet table"):
        read_weights(path)
    older_schema = schema.PMI_PAIRS.set(4, pa.field("weight", pa.float32()))
    tables.write_rows(
        path, older_schema, [{"character": "国", "boundary_id": 1, "n_events": 1, "pmi": 0.0, "weight": 0.0}]
    )
    with pytest.raises(StaleArtifactError, match=r"columns of another schema version \(differing: weight\)"):
        read_weights(path)

"""A run's counts per sentence: they are read back unchanged, and other tables are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssmi.model.evaluation.scoring import EntityCounts
from ssmi.model.evaluation.sentence_counts import SentenceCounts
from ssmi.model.runs.results.counts_file import path_of, read, write
from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.parquet import schema, tables

numbers = st.integers(0, 500)
sentences = st.lists(
    st.tuples(
        st.text("0123456789abcdef", min_size=16, max_size=16),
        st.dictionaries(
            st.sampled_from(["人名", "LOC", "ORG.NAM", ""]), st.builds(EntityCounts, numbers, numbers, numbers)
        ),
    )
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(rows=sentences)
def test_counts_are_read_back_unchanged(tmp_path: Path, rows: list[tuple[str, dict[str, EntityCounts]]]) -> None:
    counted = SentenceCounts([name for name, _ in rows], [counts for _, counts in rows])
    path = path_of(tmp_path, "dev")
    path.parent.mkdir(exist_ok=True)
    write(path, counted)
    assert read(tmp_path, "dev") == counted
    written = path.read_bytes()
    write(path, SentenceCounts(counted.sentences, [dict(reversed(list(counts.items()))) for counts in counted.counts]))
    assert path.read_bytes() == written  # whatever the order of the types


def test_unequal_numbers_of_names_and_counts_are_not_written(tmp_path: Path) -> None:
    path = tmp_path / "dev.parquet"
    with pytest.raises(ValueError):
        write(path, SentenceCounts(["a", "b"], [{}]))
    assert not list(tmp_path.iterdir())


def test_missing_counts_give_none_and_other_tables_are_refused(tmp_path: Path) -> None:
    assert read(tmp_path, "dev") is None
    path = path_of(tmp_path, "dev")
    path.parent.mkdir()
    tables.write_rows(path, schema.boundaries(2), [{"boundary_id": 1, "word": "北京", "vector": [0.0, 1.0]}])
    with pytest.raises(StaleArtifactError) as refused:
        read(tmp_path, "dev")
    assert str(path) in refused.value.message and refused.value.next_step
    path.write_bytes(b"PAR1")
    with pytest.raises(StaleArtifactError, match="not a Parquet table"):
        read(tmp_path, "dev")
    assert read(tmp_path, "test") is None

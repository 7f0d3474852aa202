"""The typed rows name the columns that the shards have."""

from __future__ import annotations

from ssmi.pipeline.contract.parquet.feature_rows import EntityColumns, ShardRow
from ssmi.pipeline.contract.parquet.schema import SHARDS


def test_a_row_has_the_columns_of_the_schema() -> None:
    assert ShardRow.__required_keys__ == set(SHARDS.names)
    entity = SHARDS.field("entities").type.value_type
    assert EntityColumns.__required_keys__ == {field.name for field in entity}

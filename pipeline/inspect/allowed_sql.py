"""Check that SQL is one statement that reads the views and does nothing else.

DuckDB's own restriction (``allowed_paths``) is not enough: version 2 takes ``WITH x AS (COPY … TO 'an allowed file')``
for a SELECT, and so overwrites files that it may read. The parsed statement is therefore checked before it runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ssmi.pipeline.contract.errors import ParameterError

LOOK_AROUND = 'ssmi-cli stats --sql "SHOW TABLES" lists the views, "DESCRIBE sentences" the columns of one'
"""Next step for a user after a wrong statement."""
_READING_NODES = {"SELECT_NODE", "SET_OPERATION_NODE", "CTE_NODE", "RECURSIVE_CTE_NODE"}
_READING_FUNCTIONS = {"unnest", "range", "generate_series", "duckdb_columns", "duckdb_views", "duckdb_functions"}


def require_read_only(parsed: Any) -> None:
    """Raise ParameterError unless a parsed statement is one that only reads the views."""
    if parsed["error"]:
        if parsed["error_type"] == "parser":
            raise ParameterError(parsed["error_message"], next_step=LOOK_AROUND)
        raise ParameterError("only SELECT is possible here", next_step=LOOK_AROUND)
    if len(parsed["statements"]) != 1:
        raise ParameterError(f"one SELECT at a time, not {len(parsed['statements'])}", next_step=LOOK_AROUND)
    for node in _walk(parsed["statements"]):
        kind = node.get("type")
        if isinstance(kind, str) and kind.endswith("_NODE") and kind not in _READING_NODES:
            raise ParameterError("only SELECT is possible here", next_step=LOOK_AROUND)
        if kind == "TABLE_FUNCTION" and node["function"]["function_name"] not in _READING_FUNCTIONS:
            raise ParameterError(
                f"{node['function']['function_name']}(…) cannot be read here",
                next_step=f"read the views: {LOOK_AROUND}",
            )


def tables_of(parsed: Any) -> set[str]:
    """Names of the tables that a parsed statement reads, in lower case and without those of its WITH clauses."""
    nodes = list(_walk(parsed))
    with_names = {entry["key"].lower() for node in nodes if "cte_map" in node for entry in node["cte_map"]["map"]}
    return {node["table_name"].lower() for node in nodes if node.get("type") == "BASE_TABLE"} - with_names


def _walk(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
    for child in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _walk(child)

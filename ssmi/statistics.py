"""Statistics of a data set's artifacts, from named reports or your own SQL, as rows or as a polars frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ssmi.pipeline.contract.errors import ParameterError
from ssmi.pipeline.contract.text.wording import abbreviated, counted
from ssmi.pipeline.inspect import named_reports, warehouse
from ssmi.pipeline.inspect.named_reports import Report
from ssmi.workspace import Workspace

if TYPE_CHECKING:
    import polars as pl


DEFAULT_REPORT = named_reports.DEFAULT_REPORT


@dataclass(frozen=True, slots=True)
class Statistics:
    """Result of a report or query.

    Attributes:
        columns: Column names as the query gives them; a name may occur more than once.
        types: DuckDB's type name of each column.
        rows: One tuple per row, with one value per column.
        n_left_out: Number of rows beyond the limit, which are not in ``rows``.

    """

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    n_left_out: int = 0

    def __repr__(self) -> str:
        """Return the size and the columns, in one line; ``pl()`` shows the rows."""
        more = f", {self.n_left_out:,} more left out" if self.n_left_out else ""
        rows, columns = counted(len(self.rows), "row"), counted(len(self.columns), "column")
        return f"<Statistics: {rows}{more}, {columns} ({abbreviated(self.columns)}); .pl() makes a frame>"

    @property
    def distinct_columns(self) -> tuple[str, ...]:
        """``columns`` with repeated names numbered (``n``, ``n_2``), skipping numbers whose name is taken."""
        names: list[str] = []
        for name in self.columns:
            distinct, number = name, 1
            while distinct in names or (number > 1 and distinct in self.columns):
                number += 1
                distinct = f"{name}_{number}"
            names.append(distinct)
        return tuple(names)

    def pl(self) -> pl.DataFrame:
        """Return the rows as a polars frame of shape (rows, columns), with ``distinct_columns`` as column names."""
        import polars

        plain: dict[str, type[polars.DataType]] = {
            "BIGINT": polars.Int64,
            "INTEGER": polars.Int32,
            "DOUBLE": polars.Float64,
            "FLOAT": polars.Float32,
            "VARCHAR": polars.String,
            "BOOLEAN": polars.Boolean,
        }
        # Other types are None here; polars infers them from all rows, because the first rows may hold only nulls.
        schema = {name: plain.get(kind) for name, kind in zip(self.distinct_columns, self.types, strict=True)}
        return polars.DataFrame(list(self.rows), schema=schema, orient="row", infer_schema_length=None)


find_report = named_reports.find_report


def list_reports() -> list[Report]:
    """Return the named reports of ``Project.stats``, in alphabetical order: name, description and query."""
    return list(named_reports.list_reports().values())


def report(workspace: Workspace, name: str, *, dataset: str | None, limit: int | None) -> Statistics:
    """Answer a named report; see ``Project.stats``."""
    return sql(workspace, find_report(name).sql, dataset=dataset, limit=limit)


def sql(workspace: Workspace, query: str, *, dataset: str | None, limit: int | None) -> Statistics:
    """Answer a SELECT over the views; see ``Project.sql``."""
    if limit is not None and limit < 0:
        raise ParameterError(f"limit {limit}: a number of rows", next_step="give 0 or more, or None for all")
    name = workspace.dataset(dataset)
    workspace.fetch_features(name)
    with warehouse.connect(workspace.paths.folder, name) as opened:
        result = opened.run(query, limit=limit)
    return Statistics(tuple(result.columns), tuple(result.types), result.rows, result.n_left_out)


def shell_script(workspace: Workspace, name: str, *, dataset: str | None) -> str:
    """Return a named report as SQL for a plain DuckDB shell; see ``Project.stats_sql``."""
    of = workspace.dataset(dataset)
    workspace.fetch_features(of)
    return warehouse.shell_script(workspace.paths.folder, of, name)

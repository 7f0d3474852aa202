"""Figures about a data set's artifacts: the named reports and SQL of one's own, as rows or as a polars frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ssmi.pipeline.contract.errors import ParameterError
from ssmi.pipeline.contract.text.wording import counted, some
from ssmi.pipeline.inspect import named_reports, warehouse
from ssmi.pipeline.inspect.named_reports import Report
from ssmi.workspace import Workspace

if TYPE_CHECKING:
    import polars as pl


DEFAULT_REPORT = named_reports.DEFAULT_REPORT


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a report or a query answered.

    Attributes:
        columns: Their names, as the query gives them; a name may come twice.
        types: DuckDB's name of each column's type.
        rows: One tuple a row, a value a column.
        n_left_out: Rows beyond the limit.

    """

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    n_left_out: int = 0

    def __repr__(self) -> str:
        """Its size and columns, in one line; ``pl()`` shows the rows."""
        more = f", {self.n_left_out:,} more left out" if self.n_left_out else ""
        rows, columns = counted(len(self.rows), "row"), counted(len(self.columns), "column")
        return f"<Statistics: {rows}{more}, {columns} ({some(self.columns)}); .pl() makes a frame>"

    @property
    def distinct_columns(self) -> tuple[str, ...]:
        """``columns``, with repeated names numbered, ``n``, ``n_2``; a number whose name is taken is left out."""
        names: list[str] = []
        for name in self.columns:
            distinct, number = name, 1
            while distinct in names or (number > 1 and distinct in self.columns):
                number += 1
                distinct = f"{name}_{number}"
            names.append(distinct)
        return tuple(names)

    def pl(self) -> pl.DataFrame:
        """The rows as a polars frame of shape (rows, columns), under ``distinct_columns``."""
        import polars

        plain: dict[str, type[polars.DataType]] = {
            "BIGINT": polars.Int64,
            "INTEGER": polars.Int32,
            "DOUBLE": polars.Float64,
            "FLOAT": polars.Float32,
            "VARCHAR": polars.String,
            "BOOLEAN": polars.Boolean,
        }
        # Other types are None here: polars finds them out, from all rows, because the first may hold nothing but nulls.
        schema = {name: plain.get(kind) for name, kind in zip(self.distinct_columns, self.types, strict=True)}
        return polars.DataFrame(list(self.rows), schema=schema, orient="row", infer_schema_length=None)


find_report = named_reports.find_report


def list_reports() -> list[Report]:
    """The named reports, in alphabetical order."""
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
    """A named report as SQL that a plain DuckDB shell runs: the views that it reads, then the query.

    Raises:
        ParameterError: There is no such report.
        MissingResourceError: A stage that it reads is not built.

    """
    of = workspace.dataset(dataset)
    workspace.fetch_features(of)
    return warehouse.shell_script(workspace.paths.folder, of, name)

"""SQL over the artifacts: DuckDB views of every table of the contract, which a query can only read.

This is the only module that imports duckdb. Views are created when a warehouse is opened, over absolute paths, in an
in-memory database; ``shell_script`` writes the same statements for a plain DuckDB shell.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from ssmi.pipeline.contract import manifest
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError, SsmiError, StaleArtifactError
from ssmi.pipeline.contract.extras import needs
from ssmi.pipeline.contract.parquet.tables import ALL_SPLITS, SOURCES
from ssmi.pipeline.contract.project.paths import BOUNDARIES_FILE, SELECTIONS
from ssmi.pipeline.contract.storage import checked_files
from ssmi.pipeline.inspect.allowed_sql import LOOK_AROUND, require_read_only, tables_of
from ssmi.pipeline.inspect.named_reports import find_report

with needs("stats", "SQL over the artifacts (stats and report)"):
    import duckdb

VIEWS: dict[str, str] = {
    "sentences": "prepare/{dataset}/{split}/part-*.parquet",
    "sources": f"prepare/{{dataset}}/{SOURCES}/part-*.parquet",
    "vocabulary": "vocab/words.parquet",
    "segments": "segment/{dataset}/{split}/part-*.parquet",
    "distinct_segments": "embed/{dataset}/segments.parquet",
    "selections": f"selection/{{dataset}}/{SELECTIONS}/part-*.parquet",
    "selection_ids": "selection/{dataset}/{split}/part-*.parquet",
    "cosines": "selection/{dataset}/cosines.parquet",
    "pmi_pairs": "pmi/{dataset}/pairs.parquet",
    "matches": "pmi/{dataset}/{split}/part-*.parquet",
    "shards": "shards/{dataset}/{split}/part-*.parquet",
    "boundaries": f"shards/{{dataset}}/{BOUNDARIES_FILE}",
}
"""View → its files below ``artifacts``; the first folder is the stage. ``{split}`` becomes a column."""
CORPUS_ONLY_VIEW = "sources"
"""The view that only a corpus has."""

_WRONG_SQL = (duckdb.ProgrammingError, duckdb.DataError, duckdb.NotSupportedError)


@dataclass(frozen=True, slots=True)
class Result:
    """Result of a query; ``types`` are DuckDB's names of types, ``n_left_out`` counts the rows beyond the limit."""

    columns: list[str]
    types: list[str]
    rows: list[tuple[Any, ...]]
    n_left_out: int = 0


@dataclass(slots=True)
class Warehouse:
    """An open connection to the artifacts of one data set; a context manager, created with ``connect``."""

    _connection: duckdb.DuckDBPyConnection
    statements: dict[str, str] = field(default_factory=dict)
    """View → the CREATE VIEW statement that made it."""
    unbuilt: dict[str, SsmiError] = field(default_factory=dict)
    """View → the error that says why it does not exist."""
    files: dict[str, list[Path]] = field(default_factory=dict)
    """View → the files that it reads."""

    def run(self, sql: str, *, limit: int | None = None) -> Result:
        """Answer one SELECT (or SHOW, DESCRIBE, SUMMARIZE).

        Args:
            sql: The statement.
            limit: Most rows to return; the others are only counted.

        Returns:
            Columns, types and rows.

        Raises:
            MissingResourceError: The stage of a view is not built.
            StaleArtifactError: Another version built the stage, or a file that the query reads has changed since it was
                written.
            ParameterError: The statement is wrong, or would do more than read the views. The message for a wrong
                statement is DuckDB's, with its suggestions of names.
            SsmiError: DuckDB fails to run the statement, for example for lack of memory.
        """
        try:
            for view in self.views_of(sql):
                for path in self.files[view]:
                    checked_files.check(path)
            cursor = self._connection.execute(sql)
            described = cursor.description or []
            # One row beyond the limit shows whether any are left out; only then is the query run again to count them.
            rows = cursor.fetchall() if limit is None else cursor.fetchmany(limit + 1)
            n_left_out = 0
            if limit is not None and len(rows) > limit:
                total = self._connection.execute(f"SELECT count(*) FROM query({_literal(sql)})").fetchone()
                rows, n_left_out = rows[:limit], (total[0] if total else limit) - limit
        except duckdb.PermissionException as error:
            raise ParameterError(_first_lines(error), next_step=f"only the views can be read: {LOOK_AROUND}") from None
        except (*_WRONG_SQL, UnicodeEncodeError) as error:
            raise ParameterError(_first_lines(error), next_step=LOOK_AROUND) from None
        except duckdb.Error as error:
            raise SsmiError(_first_lines(error), next_step=LOOK_AROUND) from None
        return Result([column[0] for column in described], [str(column[1]) for column in described], rows, n_left_out)

    def views_of(self, sql: str) -> list[str]:
        """List the views that a query reads, in the order of ``VIEWS``, without running it.

        Raises:
            MissingResourceError: The stage of a view is not built.
            StaleArtifactError: Another version built the stage.
            ParameterError: The statement is wrong, or would do more than read the views.
        """
        sql.encode()  # raises for a stray surrogate, which DuckDB would report as a wrong argument type
        row = self._connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
        parsed = json.loads(row[0]) if row else {}
        require_read_only(parsed)
        named = tables_of(parsed)
        for name, error in self.unbuilt.items():
            if name in named:
                raise error
        return [name for name in self.statements if name in named]

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __enter__(self) -> Warehouse:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def connect(artifacts: Path, dataset: str) -> Warehouse:
    """Open the artifacts of a data set, and the vocabulary that all data sets share, for reading.

    If stages are not built, this raises no error; a query that names one of their views does.
    """
    artifacts = artifacts.resolve()
    files = {name: _locate(artifacts, dataset, pattern) for name, pattern in VIEWS.items()}
    if not files[CORPUS_ONLY_VIEW]:
        del files[CORPUS_ONLY_VIEW]
    of_view = {name: [path for _, _, paths in parts for path in paths] for name, parts in files.items()}
    warehouse = Warehouse(duckdb.connect(":memory:"), files=of_view)
    _fence(warehouse, [path for parts in files.values() for path in parts])
    for name, parts in files.items():
        try:
            if not parts:
                raise _not_built(artifacts, dataset, name)
            manifest.load(_stage_folder(artifacts, dataset, name))
            checked_files.require_plain(of_view[name])  # DuckDB would block on a pipe
            warehouse.statements[name] = _create_view(name, parts)
            warehouse._connection.execute(warehouse.statements[name])
        except MissingResourceError:
            warehouse.unbuilt[name] = _not_built(artifacts, dataset, name)
        except StaleArtifactError as error:
            warehouse.unbuilt[name] = error
        except duckdb.Error as error:
            folder = _stage_folder(artifacts, dataset, name)
            warehouse.unbuilt[name] = StaleArtifactError(
                f"{folder}: {_first_lines(error)}", next_step=manifest.build_hint(artifacts / "prepare" / dataset)
            )
    warehouse.statements = {name: sql for name, sql in warehouse.statements.items() if name not in warehouse.unbuilt}
    # Last, so that no user's SQL can lift the restrictions.
    warehouse._connection.execute("SET lock_configuration = true")
    return warehouse


def shell_script(artifacts: Path, dataset: str, report: str) -> str:
    """Write a report as a script for a plain DuckDB shell: the views that it reads, then the query.

    Raises:
        ParameterError: There is no such report.
        MissingResourceError: A stage that the report reads is not built.
    """
    query = find_report(report).sql
    with connect(artifacts, dataset) as warehouse:
        views = [warehouse.statements[name] for name in warehouse.views_of(query)]
    return "\n\n".join([*views, query.strip().removesuffix(";") + ";"]) + "\n"


def _locate(artifacts: Path, dataset: str, pattern: str) -> list[tuple[str, str, list[Path]]]:
    """(split, DuckDB pattern, files) of each split that exists; the split is empty for a table without splits."""
    sources = []
    for split in ALL_SPLITS if "{split}" in pattern else ("",):
        path = artifacts / pattern.format(dataset=dataset, split=split)
        if files := sorted(path.parent.glob(path.name)):
            # DuckDB takes *, ? and [ in any part of a path for wildcards, so those in the folder are bracketed.
            folder = "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path.parent.as_posix())
            sources.append((split, f"{folder}/{path.name}", files))
    return sources


def _create_view(name: str, parts: list[tuple[str, str, list[Path]]]) -> str:
    selects = [
        f"SELECT {f'{_literal(split)} AS split, ' if split else ''}*"
        # Folders above the project may look like key=value, but are not columns.
        f" FROM read_parquet({_literal(pattern)}, hive_partitioning = false)"
        for split, pattern, _ in parts
    ]
    return f"CREATE VIEW {name} AS\n  " + "\n  UNION ALL\n  ".join(selects) + ";"


def _fence(warehouse: Warehouse, parts: list[tuple[str, str, list[Path]]]) -> None:
    """Restrict DuckDB to the views' files, and keep it from writing spill files into the current folder."""
    allowed = [pattern for _, pattern, _ in parts] + [path.as_posix() for _, _, files in parts for path in files]
    for setting in (
        f"allowed_paths = [{', '.join(map(_literal, sorted(set(allowed))))}]",
        "temp_directory = ''",
        "python_enable_replacements = false",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "enable_external_access = false",
    ):
        warehouse._connection.execute(f"SET {setting}")


def _stage_folder(artifacts: Path, dataset: str, view: str) -> Path:
    stage, second, *_ = VIEWS[view].split("/")
    return artifacts / stage / dataset if second == "{dataset}" else artifacts / stage


def _not_built(artifacts: Path, dataset: str, view: str) -> MissingResourceError:
    stage = VIEWS[view].partition("/")[0]
    built = sorted(path.parent.name for path in (artifacts / stage).glob(f"*/{manifest.MANIFEST_NAME}"))
    others = f" (built for: {', '.join(built)})" if built else ""
    return MissingResourceError(
        f"{view}: stage {stage!r} is not built for {dataset!r}{others}",
        next_step=manifest.build_hint(artifacts / "prepare" / dataset),
    )


def _literal(text: str) -> str:
    """A string as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _first_lines(error: Exception) -> str:
    """DuckDB's message on one line, without its excerpt of the query."""
    lines = []
    for line in str(error).splitlines():
        if line.startswith(("LINE ", "Traceback")):
            break
        lines.append(line.strip())
    return " ".join(filter(None, lines))

"""``ssmi-cli stats``: the named reports over the artifacts, and free SQL."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ssmi.cli.options import dataset_option, json_option

if TYPE_CHECKING:
    from ssmi.cli.session import Session
    from ssmi.statistics import Statistics

TABLE_ROWS = 50
LIST_ITEMS = 12
"""Items of a nested list that a table's cell shows; JSON and CSV hold all."""


def _complete_report(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from ssmi.statistics import list_reports

    return [report.name for report in list_reports() if report.name.startswith(incomplete)]


@click.command()
@click.argument("report", required=False, shell_complete=_complete_report)
@dataset_option
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True, help="Output."
)
@json_option
@click.option("--sql", metavar="QUERY", help="Answer this SELECT over the views instead of a report.")
@click.option("--print-sql", is_flag=True, help="Print the report as SQL for a plain duckdb shell; do not run it.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    help=f"Most rows to show, 0 for all.  [default: {TABLE_ROWS} for tables, all for json and csv]",
)
@click.pass_obj
def stats(
    session: Session,
    report: str | None,
    dataset: str | None,
    form: str,
    as_json: bool,
    sql: str | None,
    print_sql: bool,
    limit: int | None,
) -> None:
    """Figures about a data set's artifacts.

    REPORT is a named report; without one, the reports are listed and the overview is shown. --sql "SHOW TABLES"
    lists the views for queries of your own.
    """
    if as_json:
        if click.get_current_context().get_parameter_source("form") is ParameterSource.COMMANDLINE and form != "json":
            raise click.UsageError(f"--json is --format json, and --format {form} was given too")
        form = "json"
    if sql is not None and (report is not None or print_sql):
        raise click.UsageError(f"--sql goes with neither {'--print-sql' if print_sql else 'a REPORT'}")
    from ssmi import statistics

    name = statistics.find_report(report or statistics.DEFAULT_REPORT).name
    project = session.project
    if print_sql:
        click.echo(statistics.shell_script(project, name, dataset=dataset), nl=False)
        return
    if report is None and sql is None and form == "table":
        _list_reports()
    if limit is None and form == "table":
        limit = TABLE_ROWS
    limit = limit or None
    if sql is None:
        result = project.stats(name, dataset=dataset, limit=limit)
    else:
        result = project.sql(sql, dataset=dataset, limit=limit)
    {"table": _show_table, "json": _show_json, "csv": _show_csv}[form](result)
    if result.n_left_out:
        click.echo(f"{result.n_left_out} more rows; --limit 0 shows all", err=True)


def _list_reports() -> None:
    from ssmi.statistics import list_reports

    reports = list_reports()
    width = max(len(report.name) for report in reports)
    for report in reports:
        click.echo(f"{report.name:<{width}}  {report.description}")
    click.echo()


def _show_table(result: Statistics) -> None:
    from ssmi.cli.tables import print_table

    print_table(list(map(_printable, result.columns)), [list(map(_cell, row)) for row in result.rows])


def _show_json(result: Statistics) -> None:
    names = result.distinct_columns
    lines = [json.dumps(dict(zip(names, map(_plain, row), strict=True)), ensure_ascii=False) for row in result.rows]
    click.echo("[\n" + ",\n".join(lines) + "\n]" if lines else "[]")


def _show_csv(result: Statistics) -> None:
    lines = [_csv_line(result.columns)]
    for row in result.rows:
        values = map(_plain, row)
        lines.append(_csv_line([_nested(value) if isinstance(value, (list, dict)) else value for value in values]))
    click.echo("".join(lines), nl=False)


def _csv_line(values: Sequence[object]) -> str:
    """One line that ends in a newline; written with CRLF first, or Python 3.11 would leave a lone CR unquoted."""
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\r\n").writerow(values)
    return line.getvalue().removesuffix("\r\n") + "\n"


def _cell(value: Any) -> object:
    """A value as a table shows it: big numbers whole, lists short (visibly), control characters seen not obeyed."""
    value = _plain(value)
    if isinstance(value, float):
        return round(value) if 1000 <= abs(value) < 1e15 else value
    if isinstance(value, list) and len(value) > LIST_ITEMS:
        return _printable(f"{_nested(value[:LIST_ITEMS])[:-1]}, … {len(value) - LIST_ITEMS} more]")
    if isinstance(value, (list, dict)):
        return _printable(_nested(value))
    return _printable(value) if isinstance(value, str) else value


def _plain(value: Any) -> Any:
    """A value as JSON knows it; what is not a number there (NaN, infinity) becomes null."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.hex() if isinstance(value, bytes) else str(value)


def _nested(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _printable(text: str) -> str:
    """Text whose control and space characters other than the blank are seen rather than obeyed."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
    )

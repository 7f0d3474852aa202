"""``ssmi-cli stats``: the named reports over the artifacts, and free SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from ssmi.cli.options import dataset_option, json_option
from ssmi.pipeline.contract.text.wording import counted

if TYPE_CHECKING:
    from ssmi.cli.session import Session
from ssmi.pipeline.contract.errors import ParameterError

TABLE_ROWS = 50


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
    help=f"Number of rows to show, 0 for all.  [default: {TABLE_ROWS} for tables, all for json and csv]",
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
    """Query the features: named reports or SQL.

    REPORT is a named report; without one, the reports are listed and the overview is shown. --sql "SHOW TABLES"
    lists the views for queries of your own.
    """
    if as_json:
        # --format has a default, so only an explicit --format can contradict --json.
        if click.get_current_context().get_parameter_source("form") is ParameterSource.COMMANDLINE and form != "json":
            raise ParameterError(f"--json is --format json, and --format {form} was given too", next_step="give one")
        form = "json"
    if sql is not None and (report is not None or print_sql):
        beside = "--print-sql" if print_sql else "a REPORT"
        raise ParameterError(f"both --sql and {beside} are given", next_step="give only one of them")
    from ssmi import statistics
    from ssmi.cli.terminal.stats_output import show_csv, show_json, show_table

    name = statistics.find_report(report or statistics.DEFAULT_REPORT).name
    project = session.project
    if print_sql:
        click.echo(project.stats_sql(name, dataset=dataset), nl=False)
        return
    if report is None and sql is None and form == "table":
        _list_reports()
    if limit is None and form == "table":
        limit = TABLE_ROWS
    # From here on, None means no limit; --limit uses 0.
    limit = limit or None
    if sql is None:
        result = project.stats(name, dataset=dataset, limit=limit)
    else:
        result = project.sql(sql, dataset=dataset, limit=limit)
    {"table": show_table, "json": show_json, "csv": show_csv}[form](result)
    if result.n_left_out:
        # On stderr: stdout may be JSON or CSV.
        click.echo(f"{counted(result.n_left_out, 'more row')}; --limit 0 shows all", err=True)


def _list_reports() -> None:
    from ssmi.statistics import list_reports

    reports = list_reports()
    width = max(len(report.name) for report in reports)
    for report in reports:
        click.echo(f"{report.name:<{width}}  {report.description}")
    click.echo()

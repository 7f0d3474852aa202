"""The named reports: the queries in ``queries/``, each with its description."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ssmi.pipeline.contract.errors import ParameterError, name_hint

QUERIES = Path(__file__).parent / "queries"
DEFAULT_REPORT = "overview"


@dataclass(frozen=True, slots=True)
class Report:
    """A named query: ``queries/<name>.sql``, which opens with its description as a comment."""

    name: str
    description: str
    sql: str


def list_reports() -> dict[str, Report]:
    """Every named report by name, in alphabetical order."""
    reports = {}
    for path in sorted(QUERIES.glob("*.sql")):
        sql = path.read_text(encoding="utf-8")
        reports[path.stem] = Report(path.stem, sql.partition("\n")[0].removeprefix("--").strip(), sql)
    return reports


def find_report(name: str) -> Report:
    """Return the report of that name. Raises ParameterError, which suggests the nearest name, if there is none."""
    reports = list_reports()
    if name not in reports:
        raise ParameterError(
            f"{name}: no such report, {name_hint(name, reports)}", next_step="ssmi-cli stats lists them"
        )
    return reports[name]

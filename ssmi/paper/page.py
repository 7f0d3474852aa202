"""The page with measured scores beside those of the paper: one table for all data sets, and one for each data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ssmi.ablation.render import gain_over, markdown_table, note, percent
from ssmi.ablation.table import Figure, Table, TableRow
from ssmi.configurations import BASELINE
from ssmi.paper.figures import TITLES, paper_figures, paper_name

_COLUMNS: Mapping[str, str] = {
    "precision": "P",
    "recall": "R",
    "named_f1": "named F1",
    "nominal_f1": "nominal F1",
    "f1": "F1",
}
_SPANS: Mapping[str, str] = {"span_f1": "span F1", "type_accuracy": "type accuracy"}


def markdown(tables: Mapping[str, Table], *, encoder: str, command: str, missing: Sequence[str]) -> str:
    """Return the page of the tables made so far.

    Args:
        tables: Data set → its table, in the order of the page.
        encoder: Name of the encoder.
        command: The command that makes the page.
        missing: One line for each of the paper's data sets that was not found.

    """
    parts = [
        f"# The paper's tables with {encoder}",
        f"Made by `{command}`. Figures are of test (of dev for a data set without test), times 100: mean ± sample "
        f"standard deviation over seeds. *Paper*: as printed in {paper_figures().source}; a dash where it prints none. "
        "Its encoder is a Chinese BERT; its rows SSMI stand beside both `ssmi`, the network of this "
        "project, and `paper`, the network as the paper has it.",
        f"## F1\n\n{_overview(tables)}",
        *(f"## {_title(name)}\n\n{_details(name, table)}\n\n{note(table)}" for name, table in tables.items()),
        f"## Spans and types\n\n{_spans(tables)}",
    ]
    if missing:
        parts.append("## Data sets not found\n\n" + "\n".join(f"- {line}" for line in missing))
    return "\n\n".join(parts) + "\n"


def _overview(tables: Mapping[str, Table]) -> str:
    """Return a table with F1 of every row on every data set."""
    titles = {row.name: row.title for table in tables.values() for row in table.rows}
    rows = {name: {row.name: row for row in table.rows} for name, table in tables.items()}
    header = ["configuration", "row", *(f"{_title(name)}{part}" for name in tables for part in ("", ", paper"))]
    lines = []
    for configuration, title in titles.items():
        cells = [configuration, title]
        for name in tables:
            row = rows[name].get(configuration)
            cells += ["-" if row is None else percent(_figures(row)["f1"]), _printed(configuration, name, "f1")]
        lines.append(cells)
    return markdown_table(header, lines)


def _details(dataset: str, table: Table) -> str:
    """Return a table with all figures of the paper's Table 1 for one data set, and the gain over BERT-CRF."""
    first = _figures(table.rows[0])
    groups = "named_f1" in first
    names = [name for name in _COLUMNS if name in first and not (groups and name in ("precision", "recall"))]
    header = ["configuration", "row", "seeds"]
    header += [f"{_COLUMNS[name]}{part}" for part in ("", ", paper") for name in names]
    header += ["Δ BERT-CRF", "Δ, paper"]
    lines = []
    for row in table.rows:
        gain = paper_figures().gain(row.name, paper_name(dataset))
        lines.append(
            [
                row.name,
                row.title,
                str(len(row.runs)),
                *(percent(_figures(row)[name]) for name in names),
                *(_printed(row.name, dataset, name) for name in names),
                gain_over(BASELINE, row, row.scored_splits[-1]),
                "-" if gain is None else f"{gain:+.2f}",
            ]
        )
    return markdown_table(header, lines)


def _spans(tables: Mapping[str, Table]) -> str:
    """Return the paper's Table 2: F1 of spans regardless of type, and the share of correct types in correct spans."""
    header = ["data set", "configuration", *(f"{text}{part}" for text in _SPANS.values() for part in ("", ", paper"))]
    lines = [
        [
            _title(dataset),
            row.name,
            *(cell for name in _SPANS for cell in (percent(_figures(row)[name]), _printed(row.name, dataset, name))),
        ]
        for dataset, table in tables.items()
        for row in table.rows
    ]
    return markdown_table(header, lines)


def _title(dataset: str) -> str:
    return TITLES.get(paper_name(dataset), dataset)


def _figures(row: TableRow) -> Mapping[str, Figure]:
    return row.figures[row.scored_splits[-1]]


def _printed(configuration: str, dataset: str, name: str) -> str:
    value = paper_figures().of(configuration, paper_name(dataset)).get(name)
    return "-" if value is None else f"{value:.2f}"

"""Finished runs → one table: figures of each run, mean and standard deviation over seeds, gains; as JSON and markdown.

Pure functions. The JSON form is the table; markdown, screen and plots are made from it. Ratios are from 0 to 1 there
and times 100 for a reader.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.configurations import CONFIGURATIONS

Table = dict[str, Any]
REFERENCES = ("bert-crf", "ssmi")
"""The rows that all rows are compared with."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a finished run came to."""

    seed: int
    best_epoch: int
    metrics: Mapping[str, Mapping[str, Any]]
    """metrics.json: split → scores."""
    dev_f1: Sequence[float]
    """After each epoch."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What all rows have in common."""

    dataset: str
    encoder: Mapping[str, str | None]
    """Name, revision, and digest of what the shards were built with."""
    seeds: Sequence[int]
    parameters: Mapping[str, Any]
    """By section, without any configuration's changes."""
    command: str
    """What makes this table."""


def make_table(setting: Setting, runs: Mapping[str, Sequence[Run]]) -> Table:
    """The table, rows in the paper's order; ``runs`` by configuration, those without any have no row."""
    rows = [_row(name, runs[name]) for name in CONFIGURATIONS if runs.get(name)]
    by_name = {row["configuration"]: row for row in rows}
    for row in rows:
        row["gain"] = {name: _gain(row, by_name[name]) for name in REFERENCES if name in by_name}
    return {
        "dataset": setting.dataset,
        "encoder": dict(setting.encoder),
        "seeds": list(setting.seeds),
        "command": setting.command,
        "parameters": dict(setting.parameters),
        "rows": rows,
    }


def _row(name: str, runs: Sequence[Run]) -> dict[str, Any]:
    configuration = CONFIGURATIONS[name]
    figures = [{split: _figures(scores) for split, scores in run.metrics.items()} for run in runs]
    return {
        "configuration": name,
        "title": configuration.title,
        "summary": configuration.summary,
        "changes": dict(configuration.changes),
        "n_seeds": len(runs),
        **{split: _summarise([own[split] for own in figures]) for split in figures[0]},
        "runs": [
            {"seed": run.seed, "best_epoch": run.best_epoch, **own, "dev_f1_by_epoch": list(run.dev_f1)}
            for run, own in zip(runs, figures, strict=True)
        ],
    }


def _figures(scores: Mapping[str, Any]) -> dict[str, float]:
    """The figures of a split that go into the table, by name."""
    return {
        **{name: scores[name] for name in ("precision", "recall", "f1")},
        **{f"{group}_f1": counts["f1"] for group, counts in scores["by_group"].items()},
        "span_f1": scores["span"]["f1"],
        "type_accuracy": scores["type_accuracy"],
    }


def _summarise(figures: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float | None]]:
    """Mean and sample standard deviation (n - 1; None for one run) of each figure."""
    columns = {name: [own[name] for own in figures] for name in figures[0]}
    return {
        name: {"mean": statistics.fmean(values), "std": statistics.stdev(values) if len(values) > 1 else None}
        for name, values in columns.items()
    }


def _gain(row: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, float]:
    """How much more F1 a row has on average, by split."""
    return {split: row[split]["f1"]["mean"] - reference[split]["f1"]["mean"] for split in scored_splits(row)}


def scored_splits(row: Mapping[str, Any]) -> list[str]:
    """The splits that a row has figures of: dev, and test where there is one."""
    return [split for split in ("dev", "test") if split in row]


def cells(table: Table) -> tuple[list[str], list[list[str]]]:
    """Header and rows for a reader, times 100. Figures are of test, of dev where there is no test."""
    split = scored_splits(table["rows"][0])[-1]
    columns = {"precision": f"{split} P", "recall": f"{split} R", "f1": f"{split} F1"}
    groups = [name for name in table["rows"][0][split] if name in ("named_f1", "nominal_f1")]
    columns |= {name: name.replace("_f1", " F1") for name in groups}
    columns |= {"span_f1": "span F1", "type_accuracy": "type acc."}
    before = ["dev F1"] if split == "test" else []
    header = ["configuration", "row", "seeds", *before, *columns.values(), "Δ BERT-CRF"]
    rows = [
        [
            row["configuration"],
            row["title"],
            str(row["n_seeds"]),
            *(_percent(row["dev"]["f1"]) for _ in before),
            *(_percent(row[split][name]) for name in columns),
            _signed(row, split),
        ]
        for row in table["rows"]
    ]
    return header, rows


def _percent(figure: Mapping[str, float | None]) -> str:
    mean, std = figure["mean"], figure["std"]
    return f"{100 * (mean or 0.0):.2f}" + (f" ± {100 * std:.2f}" if std is not None else "")


def _signed(row: Mapping[str, Any], split: str) -> str:
    gain = row["gain"].get("bert-crf")
    return "-" if gain is None or row["configuration"] == "bert-crf" else f"{100 * gain[split]:+.2f}"


def note(table: Table) -> str:
    """The line under the table: what its figures are, and how they were made."""
    seeds = ", ".join(map(str, table["seeds"]))
    over = f"mean ± sample standard deviation over seeds {seeds}" if len(table["seeds"]) > 1 else f"seed {seeds}"
    encoder = table["encoder"]
    name = encoder["name"] + (f" at {encoder['revision']}" if encoder["revision"] else "")
    return f"Data set {table['dataset']}, encoder {name}; {over}; dev picks the epoch. Made by `{table['command']}`."


def markdown(table: Table, *, figures: Mapping[str, str]) -> str:
    """The table as a page; figures: title → file beside it."""
    header, rows = cells(table)
    lines = [header, ["---", "---"] + ["---:"] * (len(header) - 2), *rows]
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    images = "".join(f"\n![{title}]({name})\n" for title, name in figures.items())
    return f"# Ablations: {table['dataset']}\n\n{body}\n\n{note(table)}\n{images}"

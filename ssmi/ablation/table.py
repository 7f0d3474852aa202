"""Finished runs → one table: figures of each run, mean and standard deviation over seeds, gains; as JSON and markdown.

Pure functions. The JSON form is the table; markdown, screen and plots are made from it. Ratios are from 0 to 1 there
and times 100 for a reader. The intervals of gains are those of ``ssmi-cli compare``.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ssmi.configurations import CONFIGURATIONS
from ssmi.model.evaluation.counts import Counted
from ssmi.model.evaluation.significance import (
    ALL,
    LEVEL,
    RESAMPLES,
    System,
    differences,
    first_difference,
    groups,
    sample,
)

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
    counted: Mapping[str, Counted] = field(default_factory=dict)
    """By split; runs of earlier versions have none."""


@dataclass(frozen=True, slots=True)
class OtherSettings:
    """Finished runs of a configuration that are not of the table's parameters."""

    configuration: str
    settings: str
    """The name of their folder."""
    differs: Sequence[str]
    """What is not as it is in the table."""
    seeds: Sequence[int]
    f1: Mapping[str, float]
    """Mean over seeds, by split."""

    def to_json(self) -> dict[str, Any]:
        """The form that table.json holds."""
        return {
            "configuration": self.configuration,
            "settings": self.settings,
            "differs": list(self.differs),
            "seeds": list(self.seeds),
            **{f"{split}_f1": value for split, value in self.f1.items()},
        }


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


def make_table(setting: Setting, runs: Mapping[str, Sequence[Run]], others: Sequence[OtherSettings] = ()) -> Table:
    """The table, rows in the paper's order; ``runs`` by configuration, those without any have no row."""
    rows = [_row(name, runs[name]) for name in CONFIGURATIONS if runs.get(name)]
    by_name = {row["configuration"]: row for row in rows}
    for row in rows:
        row["gain"] = {name: _gain(row, by_name[name]) for name in REFERENCES if name in by_name}
        row["interval"] = {name: dict.fromkeys(scored_splits(row)) for name in row["gain"]}
    for split in ("dev", "test"):
        for (name, reference), interval in _intervals(runs, split).items():
            by_name[name]["interval"][reference][split] = interval
    return {
        "dataset": setting.dataset,
        "encoder": dict(setting.encoder),
        "seeds": list(setting.seeds),
        "command": setting.command,
        "parameters": dict(setting.parameters),
        "rows": rows,
        "other_settings": [each.to_json() for each in others],
    }


def _intervals(runs: Mapping[str, Sequence[Run]], split: str) -> dict[tuple[str, str], dict[str, Any]]:
    """(row, reference) → the interval of its gain, where all runs of both kept the counts of the same sentences."""
    systems = {
        name: System({run.seed: run.counted[split] for run in own})
        for name, own in runs.items()
        if own and all(split in run.counted for run in own)
    }
    found = {}
    for reference in (name for name in REFERENCES if name in systems):
        sentences = systems[reference].counted
        alike = {name: one for name, one in systems.items() if first_difference(sentences, one.counted) is None}
        of = {ALL: groups(list(alike.values()))[ALL]}
        sampled = dict(zip(alike, sample(list(alike.values()), of), strict=True))
        for name in alike:
            (difference,) = differences(sampled[name], sampled[reference])
            body = difference.to_json()
            found[name, reference] = {key: body[key] for key in ("low", "high", "other_sign", "told_apart")}
    return found


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
    splits = scored_splits(table["rows"][0])
    header = ["configuration", "row", "seeds", *before, *columns.values(), *(f"{own} Δ BERT-CRF" for own in splits)]
    rows = [
        [
            row["configuration"],
            row["title"],
            str(row["n_seeds"]),
            *(_percent(row["dev"]["f1"]) for _ in before),
            *(_percent(row[split][name]) for name in columns),
            *(_signed(row, own) for own in splits),
        ]
        for row in table["rows"]
    ]
    return header, rows


def _percent(figure: Mapping[str, float | None]) -> str:
    mean, std = figure["mean"], figure["std"]
    return f"{100 * (mean or 0.0):.2f}" + (f" ± {100 * std:.2f}" if std is not None else "")


def _signed(row: Mapping[str, Any], split: str) -> str:
    """A gain with its interval, as far as they are known."""
    gain = row["gain"].get("bert-crf", {}).get(split)
    if gain is None or row["configuration"] == "bert-crf":
        return "-"
    interval = row["interval"]["bert-crf"][split]
    ends = f" [{100 * interval['low']:+.2f}, {100 * interval['high']:+.2f}]" if interval else ""
    return f"{100 * gain:+.2f}{ends}"


def other_cells(table: Table) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the runs of other settings, for a reader; no rows where there are none."""
    header = ["configuration", "settings", "seeds", "dev F1", "test F1", "differs"]
    rows = [
        [
            each["configuration"],
            each["settings"],
            str(len(each["seeds"])),
            *(f"{100 * each[name]:.2f}" if name in each else "-" for name in ("dev_f1", "test_f1")),
            "; ".join(each["differs"]),
        ]
        for each in table["other_settings"]
    ]
    return header, rows


def note(table: Table) -> str:
    """The line under the table: what its figures are, and how they were made."""
    seeds = ", ".join(map(str, table["seeds"]))
    over = f"mean ± sample standard deviation over seeds {seeds}" if len(table["seeds"]) > 1 else f"seed {seeds}"
    encoder = table["encoder"]
    name = encoder["name"] + (f" at {encoder['revision']}" if encoder["revision"] else "")
    return (
        f"Data set {table['dataset']}, encoder {name}; {over}; dev picks the epoch. {_about_intervals(table)}"
        f"Made by `{table['command']}`."
    )


def _about_intervals(table: Table) -> str:
    gains = [
        (row["configuration"], row["interval"]["bert-crf"])
        for row in table["rows"]
        if row["configuration"] != "bert-crf" and "bert-crf" in row["interval"]
    ]
    if not gains:
        return ""
    over = "sentences and seeds" if len(table["seeds"]) > 1 else "sentences"
    said = (
        f"Δ: gain, in brackets its {100 * LEVEL:.0f} % interval (paired bootstrap over {over}, {RESAMPLES:,} resamples;"
        " one that holds 0 tells nothing apart). "
    )
    without = [name for name, interval in gains if None in interval.values()]
    if without:
        said += (
            f"No interval for {', '.join(without)}: a run of it or of bert-crf kept no counts of its sentences (it was"
            " trained by an earlier version). "
        )
    return said


def markdown(table: Table, *, figures: Mapping[str, str]) -> str:
    """The table as a page; figures: title → file beside it."""
    images = "".join(f"\n![{title}]({name})\n" for title, name in figures.items())
    return f"# Ablations: {table['dataset']}\n\n{_lines(*cells(table))}\n\n{note(table)}\n{images}{_others(table)}"


def _others(table: Table) -> str:
    header, rows = other_cells(table)
    return f"\n## Other settings\n\n{_lines(header, rows)}\n" if rows else ""


def _lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in markdown: two columns of words, figures, and words again where the last column says what differs."""
    kinds = ["---", "---"] + ["---:"] * (len(header) - 2)
    if header[-1] == "differs":
        kinds[-1] = "---"
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, kinds, *rows))

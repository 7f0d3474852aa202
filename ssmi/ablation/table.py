"""The table of finished runs: the figures of each run, mean and standard deviation over seeds, and gains.

All functions are pure. Ratios are from 0 to 1 here, and percentages in ``render``. The intervals of gains are those of
``ssmi-cli compare``.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from typing import Any

from ssmi.configurations import CONFIGURATIONS, Configuration
from ssmi.model.evaluation.sentence_counts import SentenceCounts
from ssmi.model.evaluation.significance import (
    ALL,
    System,
    differences,
    first_difference,
    groups,
    sample,
)
from ssmi.model.runs.results.metrics_file import RunMetrics

FOLDS = "folds"
"""The "split" of runs over folds: all sentences of train and dev, each scored by the network not trained on it."""
SPLITS = ("dev", "test", FOLDS)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """The results of a finished run."""

    seed: int
    best_epoch: int | None
    """The epoch whose weights were kept; None if it differs between folds."""
    metrics: RunMetrics
    dev_f1: Sequence[float]
    """F1 on dev after each epoch."""
    counted: Mapping[str, SentenceCounts] = field(default_factory=dict)
    """The counts of each sentence, by split; empty if they are missing in the run folder."""
    fold_f1: Mapping[int, float] = field(default_factory=dict)
    """F1 of each pooled fold, by number; empty without folds."""

    def figures(self, split: str) -> dict[str, float]:
        """Return the table's figures of a split, by name."""
        scores = self.metrics.by_split[split]
        return {
            "precision": scores.overall.precision,
            "recall": scores.overall.recall,
            "f1": scores.overall.f1,
            **{f"{group}_f1": counts.f1 for group, counts in scores.by_group.items()},
            "span_f1": scores.spans.f1,
            "type_accuracy": scores.type_accuracy,
        }

    def to_json(self) -> Json:
        """Return the form stored in table.json."""
        figures = {split: self.figures(split) for split in self.metrics.by_split}
        return {
            "seed": self.seed,
            "best_epoch": self.best_epoch,
            **figures,
            "dev_f1_by_epoch": list(self.dev_f1),
            **({"f1_by_fold": {str(fold): f1 for fold, f1 in self.fold_f1.items()}} if self.fold_f1 else {}),
        }


@dataclass(frozen=True, slots=True)
class OtherSettings:
    """Finished runs of a configuration with other parameters than the table's."""

    configuration: str
    settings: str
    """The name of the settings folder."""
    differs: Sequence[str]
    """The differences from the table's parameters."""
    seeds: Sequence[int]
    f1: Mapping[str, float]
    """Mean F1 over seeds, by split."""

    def to_json(self) -> Json:
        """Return the form stored in table.json."""
        return {
            "configuration": self.configuration,
            "settings": self.settings,
            "differs": list(self.differs),
            "seeds": list(self.seeds),
            **{f"{split}_f1": value for split, value in self.f1.items()},
        }


@dataclass(frozen=True, slots=True)
class Setting:
    """The properties that all rows have in common."""

    dataset: str
    encoder: Mapping[str, str | None]
    """Name and revision of the encoder, and the digest of the encoder that the shards were built with."""
    seeds: Sequence[int]
    parameters: Mapping[str, Any]
    """Parameters by section, without the changes of configurations."""
    command: str
    """The command that makes this table."""
    layers: str = ""
    """The encoder layers that are fine-tuned unless a configuration changes it, in words; empty if none are."""
    select: str = "best"
    """The epoch that counts, as in ``train.select``."""
    n_folds: int | None = None
    """Number of folds into which train and dev are divided; None for the splits of the data set."""
    folds: Sequence[int] = ()
    """The folds in the table, which are finished in all rows."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A ratio with its distribution over seeds."""

    mean: float
    std: float | None
    """The sample standard deviation (n - 1); None for a single run."""


@dataclass(frozen=True, slots=True)
class Interval:
    """The confidence interval of a gain, from the bootstrap of ``ssmi-cli compare``."""

    low: float
    high: float
    opposite_sign_share: float
    """Share of the resamples in which the gain is 0 or has the other sign."""
    significant: bool
    """Whether the interval excludes 0."""


@dataclass(frozen=True, slots=True)
class Gain:
    """Gain of a row in F1 over a reference row, by split.

    Attributes:
        f1: Difference of the mean F1, by split.
        interval: Interval of the difference, by split; None if a run of either row kept no counts, or the rows were
            not scored on the same sentences.

    """

    f1: Mapping[str, float]
    interval: Mapping[str, Interval | None]


@dataclass(frozen=True, slots=True)
class TableRow:
    """A configuration with the runs of its seeds.

    Attributes:
        configuration: The configuration.
        figures: Split → name (``precision``, ``recall``, ``f1``, ``span_f1`` ...) → figure.
        runs: The runs, in the order of their seeds.
        gains: Gains over every row that was scored on the same splits (including the row itself), by name of that row.

    """

    configuration: Configuration
    figures: Mapping[str, Mapping[str, Figure]]
    runs: tuple[FinishedRun, ...]
    gains: Mapping[str, Gain]

    @property
    def name(self) -> str:
        """The name of the configuration."""
        return self.configuration.name

    @property
    def title(self) -> str:
        """The row's name in the paper's tables."""
        return self.configuration.title

    @property
    def scored_splits(self) -> list[str]:
        """The splits with figures: dev, and test if it was scored; or folds."""
        return [split for split in SPLITS if split in self.figures]

    def to_json(self) -> Json:
        """Return the form stored in table.json."""
        intervals = {
            name: {split: one and asdict(one) for split, one in gain.interval.items()}
            for name, gain in self.gains.items()
        }
        return {
            "configuration": self.name,
            "title": self.title,
            "summary": self.configuration.summary,
            "changes": dict(self.configuration.changes),
            "n_seeds": len(self.runs),
            **{split: {name: asdict(one) for name, one in figures.items()} for split, figures in self.figures.items()},
            "runs": [run.to_json() for run in self.runs],
            "gain": {name: dict(gain.f1) for name, gain in self.gains.items()},
            "interval": intervals,
        }


@dataclass(frozen=True, slots=True)
class Table:
    """The table of an ablation.

    Attributes:
        setting: The properties that all rows have in common.
        rows: The rows, in the paper's order.
        other_settings: Finished runs with other parameters, which are not in the rows.

    """

    setting: Setting
    rows: tuple[TableRow, ...]
    other_settings: tuple[OtherSettings, ...] = ()

    @property
    def scored_splits(self) -> list[str]:
        """The splits with figures of any row."""
        return [split for split in SPLITS if any(split in row.figures for row in self.rows)]

    def to_json(self) -> Json:
        """Return the form stored in table.json."""
        return {
            "dataset": self.setting.dataset,
            "encoder": dict(self.setting.encoder),
            "seeds": list(self.setting.seeds),
            "n_folds": self.setting.n_folds,
            "folds": list(self.setting.folds),
            "command": self.setting.command,
            "parameters": dict(self.setting.parameters),
            "rows": [row.to_json() for row in self.rows],
            "other_settings": [each.to_json() for each in self.other_settings],
        }


def make_table(
    setting: Setting,
    runs: Mapping[str, Sequence[FinishedRun]],
    others: Sequence[OtherSettings] = (),
    *,
    configurations: Mapping[str, Configuration] = CONFIGURATIONS,
) -> Table:
    """Make the table from runs by configuration name, with a row for each of ``configurations`` that has runs."""
    figures = {name: _figures(runs[name]) for name in configurations if runs.get(name)}
    intervals = {split: _intervals(runs, split) for split in SPLITS}
    rows = []
    for name, by_split in figures.items():
        splits = [split for split in SPLITS if split in by_split]
        gains = {
            reference: Gain(
                {split: by_split[split]["f1"].mean - of_reference[split]["f1"].mean for split in splits},
                {split: intervals[split].get((name, reference)) for split in splits},
            )
            for reference, of_reference in figures.items()
            if all(split in of_reference for split in splits)
        }
        rows.append(TableRow(configurations[name], by_split, tuple(runs[name]), gains))
    return Table(setting, tuple(rows), tuple(others))


def _figures(runs: Sequence[FinishedRun]) -> dict[str, dict[str, Figure]]:
    """Return mean and standard deviation over runs, by split and name."""
    return {split: _over_seeds([run.figures(split) for run in runs]) for split in runs[0].metrics.by_split}


def _over_seeds(figures: Sequence[Mapping[str, float]]) -> dict[str, Figure]:
    columns = {name: [one[name] for one in figures] for name in figures[0]}
    return {
        name: Figure(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)
        for name, values in columns.items()
    }


def _intervals(runs: Mapping[str, Sequence[FinishedRun]], split: str) -> dict[tuple[str, str], Interval]:
    """Return (row, reference) → interval of the gain, if all runs of both rows kept counts of the same sentences."""
    systems = {
        name: System({run.seed: run.counted[split] for run in of_row})
        for name, of_row in runs.items()
        if of_row and all(split in run.counted for run in of_row)
    }
    intervals = {}
    while systems:
        sentences = next(iter(systems.values())).counted
        alike = {name: one for name, one in systems.items() if first_difference(sentences, one.counted) is None}
        of = {ALL: groups(list(alike.values()))[ALL]}
        # Resample once for all rows with the same sentences rather than once per pair of rows.
        sampled = dict(zip(alike, sample(list(alike.values()), of), strict=True))
        for name, reference in product(alike, alike):
            (one,) = differences(sampled[name], sampled[reference])
            intervals[name, reference] = Interval(one.low, one.high, one.opposite_sign_share, one.significant)
        systems = {name: one for name, one in systems.items() if name not in alike}
    return intervals

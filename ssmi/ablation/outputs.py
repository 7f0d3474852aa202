"""The output files of an ablation: the table as JSON and markdown, the pictures, and the counts behind the figures."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ssmi.ablation import variants
from ssmi.ablation.plot import plot_curves, plot_scores
from ssmi.ablation.progress import Progress
from ssmi.ablation.render import markdown
from ssmi.ablation.runs import Ablation, PreparedRow
from ssmi.ablation.table import FOLDS, FinishedRun, Setting, Table, make_table
from ssmi.configurations import CONFIGURATIONS, Configuration
from ssmi.model import encoder_defaults
from ssmi.pipeline.contract.parquet import schema
from ssmi.pipeline.contract.parquet.tables import write_rows
from ssmi.pipeline.contract.storage.replacing import writing

COUNTS_FILE = "counts.parquet"


@dataclass(frozen=True, slots=True)
class Command:
    """The command that makes a table from scratch, without its rows."""

    dataset: str
    overrides: Sequence[str]
    n_seeds: int
    n_folds: int | None

    def of(self, rows: Sequence[Configuration]) -> str:
        """Return the command with these rows."""
        built_in = [each.name for each in rows if each.name in CONFIGURATIONS]
        own = [
            word for each in rows if each.name not in CONFIGURATIONS for word in ("--variant", variants.as_option(each))
        ]
        # Without --only, the rows are all built-in configurations, or none of them if there are variants.
        only = ["--only", ",".join(built_in)] if built_in and (own or set(built_in) != set(CONFIGURATIONS)) else []
        folds = [] if self.n_folds is None else ["--folds", str(self.n_folds)]
        changes = [word for override in self.overrides for word in ("-S", override)]
        start = ["ssmi-cli", "ablate", "--dataset", self.dataset]
        return shlex.join([*start, *only, *own, *folds, "--seeds", str(self.n_seeds), *changes])


def write_table(ablation: Ablation, rows: Mapping[str, PreparedRow], progress: Progress, command: Command) -> Table:
    """Write the table of the runs finished so far."""
    finished, folds = progress.shown()
    statistics, model = next(iter(rows.values())).shards.statistics, ablation.params.model
    encoder = ablation.params.section("encoder") | {"digest": statistics.encoder_digest}
    setting = Setting(
        ablation.dataset,
        encoder,
        progress.seeds,
        # The fold belongs to a run, not to the table.
        ablation.params.model_dump(mode="json", exclude={"corpora": True, "datasets": True, "train": {"fold"}}),
        command.of([ablation.configurations[name] for name in finished]),
        layers=encoder_defaults.in_words(model, statistics.encoder_size) if model.encoder == "finetune" else "",
        select=ablation.params.train.select,
        n_folds=ablation.n_folds,
        folds=folds,
    )
    table = make_table(setting, finished, ablation.others(rows), configurations=ablation.configurations)
    ablation.folder.mkdir(parents=True, exist_ok=True)
    figures = {}
    for title, name, plot in (("F1 by row", "f1.svg", plot_scores), ("Dev F1 by epoch", "curves.svg", plot_curves)):
        if plot(table, ablation.folder / name):
            figures[title] = name
    texts = {
        "table.json": json.dumps(table.to_json(), ensure_ascii=False, indent=1) + "\n",
        "table.md": markdown(table, figures=figures),
    }
    for name, text in texts.items():
        with writing(ablation.folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    if ablation.n_folds is not None:
        _write_counts(ablation, finished)
    return table


def _write_counts(ablation: Ablation, finished: Mapping[str, Sequence[FinishedRun]]) -> None:
    """Write the counts of every sentence for every row and seed, from which the table can be resampled elsewhere."""
    rows = [
        {
            "configuration": name,
            "seed": run.seed,
            "sentence": sentence,
            "counts": [
                {"label": label, "gold": one.gold, "predicted": one.predicted, "correct": one.correct}
                for label, one in sorted(counts.items())
            ],
        }
        for name, runs in finished.items()
        for run in runs
        if FOLDS in run.counted
        for sentence, counts in zip(run.counted[FOLDS].sentences, run.counted[FOLDS].counts, strict=True)
    ]
    write_rows(ablation.folder / COUNTS_FILE, schema.ABLATION_COUNTS, rows)

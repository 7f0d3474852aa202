"""The table of an ablation for readers: cells as percentages, the note below the table, and the markdown page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ssmi.ablation.table import FOLDS, Figure, Table, TableRow
from ssmi.configurations import BASELINE
from ssmi.model.evaluation.significance import LEVEL, RESAMPLES


def cells(table: Table) -> tuple[list[str], list[list[str]]]:
    """Return header and rows; the figures are those of test, of dev if there is no test, or of the folds.

    A row that was not scored on test, because a variant sets ``train.test``, has dashes there.
    """
    splits = table.scored_splits
    split = splits[-1]
    columns = {"precision": f"{split} P", "recall": f"{split} R", "f1": f"{split} F1"}
    figures = next(row.figures[split] for row in table.rows if split in row.figures)  # every row has the same ones
    groups = [name for name in figures if name in ("named_f1", "nominal_f1")]
    columns |= {name: name.replace("_f1", " F1") for name in groups}
    columns |= {"span_f1": "span F1", "type_accuracy": "type acc."}
    before = ["dev F1"] if split == "test" else []
    header = ["configuration", "row", "seeds", *before, *columns.values(), *(f"{one} Δ BERT-CRF" for one in splits)]
    rows = [
        [
            row.name,
            row.title,
            str(len(row.runs)),
            *(percent(row.figures["dev"]["f1"]) for _ in before),
            *(percent(row.figures[split][name]) if split in row.figures else "-" for name in columns),
            *(_signed(row, one) for one in splits),
        ]
        for row in table.rows
    ]
    return header, rows


def percent(figure: Figure) -> str:
    """Format a figure times 100, with its standard deviation if there is one."""
    return f"{100 * figure.mean:.2f}" + (f" ± {100 * figure.std:.2f}" if figure.std is not None else "")


def _signed(row: TableRow, split: str) -> str:
    """Format the gain over the row's reference; it is named unless it is the baseline."""
    against = row.configuration.against
    gain = gain_over(against, row, split)
    return gain if gain == "-" or against == BASELINE else f"{gain} over {against}"


def gain_over(against: str, row: TableRow, split: str) -> str:
    """Format the gain over another row with its interval, as far as they are known."""
    gain = row.gains.get(against)
    if gain is None or split not in gain.f1 or row.name == against:
        return "-"
    interval = gain.interval[split]
    ends = f" [{100 * interval.low:+.2f}, {100 * interval.high:+.2f}]" if interval else ""
    return f"{100 * gain.f1[split]:+.2f}{ends}"


def other_cells(table: Table) -> tuple[list[str], list[list[str]]]:
    """Return header and rows for the runs with other settings; there are no rows without such runs."""
    splits = ("dev", "test") if table.setting.n_folds is None else (FOLDS,)
    header = ["configuration", "settings", "seeds", *(f"{split} F1" for split in splits), "differs"]
    rows = [
        [
            each.configuration,
            each.settings,
            str(len(each.seeds)),
            *(f"{100 * each.f1[split]:.2f}" if split in each.f1 else "-" for split in splits),
            "; ".join(each.differs),
        ]
        for each in table.other_settings
    ]
    return header, rows


def note(table: Table) -> str:
    """Return the note below the table: what its figures are and how they were made."""
    setting = table.setting
    seeds = ", ".join(map(str, setting.seeds))
    over = f"mean ± sample standard deviation over seeds {seeds}" if len(setting.seeds) > 1 else f"seed {seeds}"
    name, revision = setting.encoder["name"], setting.encoder["revision"]
    encoder = f"{name} at {revision}" if revision else name
    if setting.layers:
        encoder = f"{encoder} ({setting.layers}, unless a row changes model.encoder_layers)"
    return (
        f"Data set {setting.dataset}, encoder {encoder}; {over}; {_about_splits(table)} {_about_intervals(table)}"
        f"Made by `{setting.command}`."
    )


def _about_splits(table: Table) -> str:
    setting = table.setting
    picks = "the last epoch counts" if setting.select == "last" else "dev picks the epoch"
    if setting.n_folds is None:
        return f"{picks}."
    so_far = "" if len(setting.folds) == setting.n_folds else f" (so far {', '.join(map(str, setting.folds))})"
    return (
        f"{setting.n_folds} folds of train and dev{so_far}, each scored by a network trained on the others, their "
        f"counts pooled; {picks}; test was not read."
    )


def _about_intervals(table: Table) -> str:
    gains = {
        row.name: row.gains[row.configuration.against]
        for row in table.rows
        if row.name != row.configuration.against and row.configuration.against in row.gains
    }
    if not gains:
        return ""
    over = "sentences and seeds" if len(table.setting.seeds) > 1 else "sentences"
    text = (
        f"Δ: gain, in brackets its {100 * LEVEL:.0f} % interval (paired bootstrap over {over}, {RESAMPLES:,} resamples;"
        " a gain whose interval contains 0 is not significant). "
    )
    without = [name for name, gain in gains.items() if None in gain.interval.values()]
    if without:
        against = " or ".join(sorted({row.configuration.against for row in table.rows if row.name in without}))
        text += f"No interval for {', '.join(without)}: a run of it or of {against} has no counts of its sentences. "
    return text


def markdown(table: Table, *, figures: Mapping[str, str]) -> str:
    """Return the table as a markdown page; ``figures`` maps titles to picture files beside it."""
    images = "".join(f"\n![{title}]({name})\n" for title, name in figures.items())
    title = f"# Ablations: {table.setting.dataset}"
    return f"{title}\n\n{markdown_table(*cells(table))}\n\n{note(table)}\n{images}{_others(table)}"


def _others(table: Table) -> str:
    header, rows = other_cells(table)
    return f"\n## Other settings\n\n{markdown_table(header, rows)}\n" if rows else ""


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a markdown table: two columns of text, then figures, and text again in a last column ``differs``."""
    kinds = ["---", "---"] + ["---:"] * (len(header) - 2)
    if header[-1] == "differs":
        kinds[-1] = "---"
    # A | would end the cell.
    escaped = ([cell.replace("|", "\\|") for cell in line] for line in (header, kinds, *rows))
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)

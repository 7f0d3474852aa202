"""The page of an ablation: a valid table for any names and parameters, and a note that describes the settings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.ablation.render import cells, markdown, note, other_cells
from ssmi.ablation.table import Figure, FinishedRun, Gain, Interval, OtherSettings, Setting, Table, TableRow
from ssmi.configurations import Configuration
from ssmi.model.runs.results.metrics_file import RunMetrics

WIDE = Interval(-0.005, 0.3, 0.04, significant=False)
FIGURES = ("precision", "recall", "f1", "span_f1", "type_accuracy")


def _row(name: str, *, n_runs: int = 1, gains: dict[str, Gain] | None = None, std: float | None = None) -> TableRow:
    figures = {split: {figure: Figure(0.5, std) for figure in FIGURES} for split in ("dev", "test")}
    runs = tuple(FinishedRun(seed, 1, RunMetrics({}), ()) for seed in range(n_runs))
    return TableRow(Configuration(name, name.upper(), {}, ""), figures, runs, gains or {})


def _table(rows: Sequence[TableRow], *, others: Sequence[OtherSettings] = (), **setting: object) -> Table:
    plain = Setting("tiny", {"name": "bert", "revision": None}, (3,), {}, "ssmi-cli ablate")
    return Table(replace(plain, **setting), tuple(rows), tuple(others))


def _gain(dev: float, test: float, interval: Interval | None = None) -> dict[str, Gain]:
    return {"bert-crf": Gain({"dev": dev, "test": test}, {"dev": interval, "test": interval})}


def _split(line: str) -> list[str]:
    """Split a row of a markdown table into cells as GitHub does: a bar after a backslash is not a border."""
    assert line.startswith("| ") and line.endswith(" |")
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line[1:-1])]


@given(
    st.lists(st.text(st.sampled_from("ab北|_*: "), min_size=1).map(lambda text: f"x{text}y"), min_size=1, max_size=3)
)
def test_bars_in_parameters_are_escaped(differs: list[str]) -> None:
    others = [OtherSettings("ssmi", "0a1b2c3d", differs, [3], {"test": 0.25})]
    page = markdown(_table([_row("ssmi")], others=others), figures={})
    header, rule, line = page.partition("## Other settings\n\n")[2].splitlines()
    assert _split(line) == ["ssmi", "0a1b2c3d", "1", "-", "25.00", "; ".join(differs)]
    assert len(_split(header)) == len(_split(rule)) == 6
    assert _split(rule) == ["---", "---", "---:", "---:", "---:", "---"]


@pytest.mark.parametrize(
    ("gains", "shown"),
    [
        (_gain(0.01234, -0.5), ["+1.23", "-50.00"]),
        (_gain(0.0, 0.0), ["+0.00", "+0.00"]),
        (_gain(0.1, 0.2, WIDE), ["+10.00 [-0.50, +30.00]", "+20.00 [-0.50, +30.00]"]),
        ({"bert-crf": Gain({"dev": 0.1}, {"dev": None})}, ["+10.00", "-"]),
        ({}, ["-", "-"]),
    ],
)
def test_gains_over_the_baseline_are_formatted(gains: dict[str, Gain], shown: list[str]) -> None:
    header, ((*_, dev, test),) = cells(_table([_row("ssmi", gains=gains)]))
    assert [dev, test] == shown
    assert header[-2:] == ["dev Δ BERT-CRF", "test Δ BERT-CRF"]
    _, ((*_, own_dev, own_test),) = cells(_table([_row("bert-crf", gains=gains)]))
    assert [own_dev, own_test] == ["-", "-"]  # of the baseline itself


def test_the_deviation_is_shown_for_several_seeds() -> None:
    header, (single, several) = cells(_table([_row("ssmi"), _row("no-can", n_runs=2, std=0.0125)]))
    named = [dict(zip(header, row, strict=True)) for row in (single, several)]
    assert [row["test F1"] for row in named] == ["50.00", "50.00 ± 1.25"]
    assert [row["seeds"] for row in named] == ["1", "2"]


def test_the_note_names_encoder_and_seeds() -> None:
    rows = [_row("ssmi")]
    assert note(_table(rows)) == (
        "Data set tiny, encoder bert; seed 3; dev picks the epoch. Made by `ssmi-cli ablate`."
    )
    encoder = {"name": "hub/bert", "revision": "abc123"}
    text = note(_table(rows, encoder=encoder, seeds=(3, 4)))
    assert "encoder hub/bert at abc123; mean ± sample standard deviation over seeds 3, 4;" in text


def test_the_note_states_how_many_layers_are_trained() -> None:
    table = _table([_row("ssmi")])
    shallow = replace(table, setting=replace(table.setting, layers="the first 4 of 12 layers"))
    assert "encoder bert (the first 4 of 12 layers, unless a row changes model.encoder_layers); seed 3;" in note(
        shallow
    )


def test_the_note_explains_missing_intervals() -> None:
    known = Interval(0.1, 0.2, 0.0, significant=True)
    gains = {"bert-crf": _gain(0, 0), "ssmi": _gain(0.1, 0.1, known), "no-can": _gain(0, 0)}
    rows = [_row(name, gains=gain) for name, gain in gains.items()]
    text = note(_table(rows))
    assert "95 % interval (paired bootstrap over sentences, 2,000 resamples" in text
    assert "No interval for no-can: a run of it or of bert-crf has no counts of its sentences. " in text
    assert "No interval" not in note(_table(rows[:2]))
    assert "bootstrap" not in note(_table(rows[:1]))  # there are no gains to describe


def test_other_settings_show_their_available_figures() -> None:
    others = [
        OtherSettings("ssmi", "a", [], [1, 2], {"dev": 0.5, "test": 0.75}),
        OtherSettings("ssmi", "b", [], [], {}),
    ]
    _, rows = other_cells(_table([_row("ssmi")], others=others))
    assert rows == [["ssmi", "a", "2", "50.00", "75.00", ""], ["ssmi", "b", "0", "-", "-", ""]]


def test_figures_are_between_the_note_and_other_settings() -> None:
    others = [OtherSettings("ssmi", "a", ["x"], [1], {})]
    page = markdown(_table([_row("ssmi")], others=others), figures={"F1": "f1.svg", "Epochs": "curves.svg"})
    positions = [
        page.index(part) for part in ("Made by", "![F1](f1.svg)", "![Epochs](curves.svg)", "## Other settings")
    ]
    assert positions == sorted(positions)
    assert page.endswith("\n") and "\n\n\n" not in page

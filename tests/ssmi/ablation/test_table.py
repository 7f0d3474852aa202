"""The table of an ablation with made-up runs: means, deviations, gains, and the rendered output."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.ablation.plot import plot_curves, plot_scores
from ssmi.ablation.render import cells, markdown
from ssmi.ablation.table import Figure, FinishedRun, Interval, OtherSettings, Setting, Table, make_table
from ssmi.configurations import CONFIGURATIONS, CURVES
from ssmi.model.evaluation.scoring import EntityCounts, Scores
from ssmi.model.evaluation.sentence_counts import SentenceCounts
from ssmi.model.runs.results.metrics_file import RunMetrics


def _scores(f1: float, *, groups: bool = False) -> Scores:
    """Scores with this F1, to four decimals."""

    def counts(share: float) -> EntityCounts:
        return EntityCounts(10_100, 9_900, round(10_000 * share))

    by_group = {"named": counts(f1 / 2), "nominal": counts(f1 / 4)} if groups else {}
    return Scores(counts(f1), {"PER": counts(0.1)}, by_group, counts(f1 + 0.02), 0, 100)


def _run(seed: int, *, dev: float, test: float | None, groups: bool = False) -> FinishedRun:
    metrics = {"dev": _scores(dev, groups=groups)}
    if test is not None:
        metrics["test"] = _scores(test, groups=groups)
    return FinishedRun(seed, 2, RunMetrics(metrics), (dev / 2, dev))


def _table(runs: dict[str, Sequence[FinishedRun]], seeds: Sequence[int] = (3, 4)) -> Table:
    encoder = {"name": "some-bert", "revision": None, "digest": "d" * 64}
    return make_table(Setting("tiny", encoder, seeds, {"train": {"epochs": 2}}, "ssmi-cli ablate"), runs)


def _two_rows(*, groups: bool = False) -> Table:
    return _table(
        {
            "bert-crf": [_run(3, dev=0.5, test=0.4, groups=groups), _run(4, dev=0.6, test=0.6, groups=groups)],
            "no-can": [_run(3, dev=0.7, test=0.71, groups=groups)],
            "ssmi": [],
        }
    )


def test_means_deviations_and_gains() -> None:
    baseline, single = _two_rows().rows
    assert baseline.figures["test"]["f1"] == Figure(pytest.approx(0.5), pytest.approx(math.sqrt(0.02)))
    assert baseline.figures["test"]["span_f1"].mean == pytest.approx(0.52)
    assert single.figures["test"]["f1"] == Figure(0.71, None)
    assert {name: gain.f1 for name, gain in single.gains.items()} == {
        "bert-crf": {"dev": pytest.approx(0.15), "test": pytest.approx(0.21)},
        "no-can": {"dev": 0.0, "test": 0.0},
    }
    assert baseline.gains["bert-crf"].f1 == {"dev": 0.0, "test": 0.0}
    assert [run.seed for run in baseline.runs] == [3, 4]
    assert baseline.runs[1].figures("test")["recall"] == pytest.approx(6000 / 10_100)


def test_the_table_is_written_as_json() -> None:
    body = _two_rows().to_json()
    setting = ["dataset", "encoder", "seeds", "n_folds", "folds", "command", "parameters"]
    assert list(body) == [*setting, "rows", "other_settings"]
    baseline, single = body["rows"]
    summary = ["configuration", "title", "summary", "changes", "n_seeds"]
    assert list(baseline) == [*summary, "dev", "test", "runs", "gain", "interval"]
    assert (baseline["n_seeds"], single["n_seeds"]) == (2, 1)
    assert single["test"]["f1"] == {"mean": 0.71, "std": None}
    assert single["gain"]["bert-crf"] == {"dev": pytest.approx(0.15), "test": pytest.approx(0.21)}
    assert single["interval"]["bert-crf"] == {"dev": None, "test": None}
    assert list(single["gain"]) == list(single["interval"]) == ["bert-crf", "no-can"]
    assert list(single["runs"][0]) == ["seed", "best_epoch", "dev", "test", "dev_f1_by_epoch"]
    assert single["runs"][0]["dev_f1_by_epoch"] == [0.35, 0.7]


@given(st.lists(st.integers(0, 9_900).map(lambda correct: correct / 10_000), min_size=2, max_size=6))
def test_the_deviation_is_the_sample_deviation(values: list[float]) -> None:
    row = _table({"ssmi": [_run(seed, dev=value, test=None) for seed, value in enumerate(values)]}).rows[0]
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    f1 = row.figures["dev"]["f1"]
    assert f1.mean == pytest.approx(mean)
    assert f1.std == pytest.approx(math.sqrt(variance), abs=1e-12)


def test_rows_are_in_the_order_of_the_configurations() -> None:
    runs = {name: [_run(3, dev=0.5, test=0.5)] for name in reversed(list(CONFIGURATIONS))}
    assert [row.name for row in _table(runs).rows] == list(CONFIGURATIONS)


def test_scores_are_shown_as_percentages() -> None:
    header, (baseline, single) = cells(_two_rows())
    assert header[:4] == ["configuration", "row", "seeds", "dev F1"] and header[-2:] == [
        "dev Δ BERT-CRF",
        "test Δ BERT-CRF",
    ]
    named = dict(zip(header, baseline, strict=True))
    assert (named["seeds"], named["dev F1"], named["test F1"]) == ("2", "55.00 ± 7.07", "50.00 ± 14.14")
    assert named["dev Δ BERT-CRF"] == named["test Δ BERT-CRF"] == "-"
    named = dict(zip(header, single, strict=True))
    assert (named["row"], named["test P"], named["type acc."]) == (
        "-CAN",
        f"{100 * 7100 / 9900:.2f}",
        f"{100 * 7100 / 7300:.2f}",
    )
    assert (named["dev Δ BERT-CRF"], named["test Δ BERT-CRF"]) == ("+15.00", "+21.00")


def test_the_groups_of_weibo_have_columns() -> None:
    header, rows = cells(_two_rows(groups=True))
    named = dict(zip(header, rows[1], strict=True))
    assert (named["named F1"], named["nominal F1"]) == ("35.50", "17.75")
    assert "named F1" not in cells(_two_rows())[0]


def test_without_a_test_split_only_dev_is_shown() -> None:
    header, rows = cells(_table({"no-gmi": [_run(3, dev=0.5, test=None)]}))
    assert [name for name in header if "test" in name] == []
    named = dict(zip(header, rows[0], strict=True))
    assert (named["dev F1"], named["dev Δ BERT-CRF"]) == ("50.00", "-")


def test_gains_have_intervals_if_sentences_were_counted() -> None:
    def counted(*correct: int) -> SentenceCounts:
        return SentenceCounts(
            [str(index) for index in range(len(correct))],
            [{"PER": EntityCounts(1, 1, n_correct)} for n_correct in correct],
        )

    def run(seed: int, **counts: SentenceCounts) -> FinishedRun:
        return replace(_run(seed, dev=0.5, test=0.5), counted=counts)

    weak, strong = counted(*[1, 0] * 20), counted(*[1] * 40)
    runs = {
        "bert-crf": [run(3, dev=weak, test=weak), run(4, dev=weak, test=weak)],
        "ssmi": [run(3, dev=strong, test=weak), run(4, dev=strong, test=weak)],
        "no-can": [run(3, dev=strong), run(4)],
        "no-gmi": [run(3, dev=counted(1, 1))],
    }
    table = _table(runs)
    rows = {row.name: row for row in table.rows}
    dev = rows["ssmi"].gains["bert-crf"].interval["dev"]
    assert dev is not None
    assert dev.significant and 0.3 < dev.low < 0.5 < dev.high < 0.7 and dev.opposite_sign_share == 0.0
    assert rows["ssmi"].gains["bert-crf"].interval["test"] == Interval(0.0, 0.0, 1.0, significant=False)
    no_intervals = {"dev": None, "test": None}
    # No interval if a seed has no counts or its counts are of other sentences.
    for name in ("no-can", "no-gmi"):
        assert {reference: gain.interval for reference, gain in rows[name].gains.items() if reference != name} == {
            "bert-crf": no_intervals,
            "ssmi": no_intervals,
            **{other: no_intervals for other in ("no-can", "no-gmi") if other != name},
        }
    header, body = cells(table)
    cell = dict(zip(header, body[list(rows).index("ssmi")], strict=True))["dev Δ BERT-CRF"]
    assert cell == f"+0.00 [{100 * dev.low:+.2f}, {100 * dev.high:+.2f}]"
    page = markdown(table, figures={})
    assert "95 % interval (paired bootstrap over sentences and seeds, 2,000 resamples" in page
    assert "No interval for no-can, no-gmi: " in page or "No interval for no-gmi, no-can: " in page


def test_other_settings_are_listed_below() -> None:
    differs = ["train.epochs 1 (now 2)", "model.can false (now true)"]
    other = OtherSettings("ssmi", "0a1b2c3d", differs, [3, 4], {"dev": 0.5})
    table = make_table(
        Setting("tiny", {"name": "some-bert", "revision": None}, (3,), {}, "ssmi-cli ablate"),
        {"bert-crf": [_run(3, dev=0.5, test=0.5)]},
        [other],
    )
    page = markdown(table, figures={})
    line = "| ssmi | 0a1b2c3d | 2 | 50.00 | - | train.epochs 1 (now 2); model.can false (now true) |"
    assert line in page.splitlines()
    assert "Other settings" not in markdown(_two_rows(), figures={})


def test_the_page_states_how_it_was_made() -> None:
    table = _two_rows()
    page = markdown(table, figures={"F1": "f1.svg"})
    lines = page.splitlines()
    assert lines[0] == "# Ablations: tiny"
    columns = {line.count("|") for line in lines if line.startswith("|")}
    assert columns == {len(cells(table)[0]) + 1}
    assert "| bert-crf | BERT-CRF | 2 | 55.00 ± 7.07 |" in page
    assert "encoder some-bert; mean ± sample standard deviation over seeds 3, 4;" in page
    assert "Made by `ssmi-cli ablate`." in page and "![F1](f1.svg)" in page
    assert "; seed 7;" in markdown(_table({"ssmi": [_run(7, dev=0.5, test=0.5)]}, seeds=[7]), figures={})


def test_plots_are_reproducible(tmp_path: Path) -> None:
    table = _table({name: [_run(3, dev=0.5, test=0.4), _run(4, dev=0.6, test=0.5)] for name in CONFIGURATIONS})
    for plot in (plot_scores, plot_curves):
        drawn = []
        for name in ("one.svg", "two.svg"):
            assert plot(table, tmp_path / name)
            drawn.append((tmp_path / name).read_bytes())
        assert drawn[0] == drawn[1]
        assert b"<svg" in drawn[0] and b"date" not in drawn[0].lower()
        assert plot(_two_rows(), tmp_path / "two.svg") == (plot is plot_scores)
        # Other scores give another plot; no curves are plotted if no row belongs to Figure 3.
        two = tmp_path / "two.svg"
        assert (not two.exists()) if plot is plot_curves else two.read_bytes() != drawn[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.svg"]


def test_an_epoch_is_drawn_over_the_runs_that_have_it(tmp_path: Path) -> None:
    drawn = []
    for of_first, of_second in (((0.2, 0.4), (0.4, 0.6, 0.8)), ((0.2, 0.4, 0.8), (0.4, 0.6, 0.8)), ((0.2,), (0.4,))):
        first, second = (_run(seed, dev=0.5, test=None) for seed in (3, 4))
        runs = [replace(first, dev_f1=of_first), replace(second, dev_f1=of_second)]
        assert plot_curves(_table({"ssmi": runs}), tmp_path / "curves.svg")
        drawn.append((tmp_path / "curves.svg").read_bytes())
    stopped_early, as_long_with_the_same_means, one_epoch = drawn
    assert stopped_early == as_long_with_the_same_means != one_epoch


def test_the_rows_of_figure_3_are_configurations() -> None:
    assert set(CURVES) < set(CONFIGURATIONS)

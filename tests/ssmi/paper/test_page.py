"""The page of the paper's tables, rendered from hand-made tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from ssmi.ablation.table import FinishedRun, Setting, Table, make_table
from ssmi.model.evaluation.scoring import EntityCounts, Scores
from ssmi.model.runs.results.metrics_file import RunMetrics
from ssmi.paper.page import markdown


def _scores(f1: float, groups: Mapping[str, float]) -> Scores:
    """Return scores with this F1, precision and recall."""

    def counts(share: float) -> EntityCounts:
        return EntityCounts(100, 100, round(100 * share))

    return Scores(counts(f1), {}, {name: counts(share) for name, share in groups.items()}, counts(f1), 0, 1)


def _table(
    dataset: str, f1: Mapping[str, Sequence[float]], *, splits: Sequence[str] = ("dev", "test"), **groups: float
) -> Table:
    runs = {
        name: [
            FinishedRun(seed, 1, RunMetrics({split: _scores(value, groups) for split in splits}), [value])
            for seed, value in enumerate(values)
        ]
        for name, values in f1.items()
    }
    encoder = {"name": "e", "revision": None, "digest": ""}
    return make_table(Setting(dataset, encoder, range(max(map(len, f1.values()))), {}, "ssmi-cli ablate"), runs)


def _page(**tables: Table) -> str:
    return markdown(tables, encoder="some/encoder", command="ssmi-cli paper", missing=[])


def test_a_missing_row_is_a_dash() -> None:
    page = _page(
        msra=_table("msra", {"bert-crf": [0.9], "ssmi": [0.95], "no-gru": [0.94]}),
        resume=_table("resume", {"bert-crf": [0.8]}),
    )
    assert "| ssmi | SSMI | 95.00 | 96.32 | - | 97.33 |" in page
    assert "| bert-crf | BERT-CRF | 90.00 | 94.78 | 80.00 | 95.29 |" in page
    assert "| no-gru | -GRU | 94.00 | 95.53 | - | 96.88 |" in page
    assert "Data sets not found" not in page


def test_gains_without_counts_have_no_interval() -> None:
    page = _page(msra=_table("msra", {"bert-crf": [0.9], "ssmi": [0.95]}))
    assert "| ssmi | SSMI | 1 | 95.00 | 95.00 | 95.00 | 96.15 | 96.49 | 96.32 | +5.00 | +1.54 |" in page
    assert "| bert-crf | BERT-CRF | 1 | 90.00 | 90.00 | 90.00 | 95.37 | 94.56 | 94.78 | - | - |" in page


@pytest.mark.parametrize("splits", [("dev", "test"), ("dev",)])
def test_groups_replace_precision_and_recall(splits: tuple[str, ...]) -> None:
    page = _page(weibo=_table("weibo", {"ssmi": [0.3]}, splits=splits, named=0.4, nominal=0.2))
    assert "| ssmi | SSMI | 1 | 40.00 | 20.00 | 30.00 | 71.53 | 73.18 | 72.83 | - | +5.53 |" in page


def test_other_data_sets_and_networks_have_no_figures_of_the_paper() -> None:
    page = _page(mine=_table("mine", {"char-crf": [0.25, 0.75]}))
    assert "| char-crf | Char-CRF | 50.00 ± 35.36 | - |" in page
    assert "## mine\n" in page and "over seeds 0, 1" in page
    assert "| mine | char-crf | 50.00 ± 35.36 | - | 100.00 ± 0.00 | - |" in page

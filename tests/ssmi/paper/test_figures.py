"""The paper's figures as data: complete, and found by the names of configurations and data sets."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ssmi.configurations import CONFIGURATIONS
from ssmi.paper.figures import DATASETS, TITLES, paper_figures, paper_name
from ssmi.paper.reproduce import ROWS


def test_every_row_has_every_data_set() -> None:
    figures = paper_figures()
    assert [len(table) for table in (figures.table_1, figures.table_2, figures.table_3)] == [17, 5, 12]
    for table in (figures.table_1, figures.table_3):
        assert all(list(row) == list(DATASETS) for row in table.values())
    assert all(list(row) == ["ontonotes4", "msra"] for row in figures.table_2.values())
    assert list(TITLES) == list(DATASETS)
    assert "AAAI 2023" in figures.source


def test_f1_is_the_harmonic_mean_except_where_the_paper_differs() -> None:
    """Guards against misread digits: of the 42 complete results 13 differ in the paper itself, by at most 0.7."""
    differing = {}
    for name, row in paper_figures().table_1.items():
        for dataset, values in row.items():
            if "precision" in values:
                precision, recall = values["precision"], values["recall"]
                difference = abs(values["f1"] - 2 * precision * recall / (precision + recall))
                if difference > 0.011:
                    differing[name, dataset] = difference
    assert len(differing) == 13 and max(differing.values()) < 0.71, differing


def test_every_value_is_a_percentage_of_a_known_figure() -> None:
    figures = paper_figures()
    for table in (figures.table_1, figures.table_2, figures.table_3):
        for row in table.values():
            for values in row.values():
                assert set(values) <= {
                    "precision",
                    "recall",
                    "f1",
                    "named_f1",
                    "nominal_f1",
                    "span_f1",
                    "type_accuracy",
                }
                assert all(50 < value < 100 for value in values.values())


@pytest.mark.parametrize(
    ("configuration", "dataset", "expected"),
    [
        ("ssmi", "weibo", {"named_f1": 71.53, "nominal_f1": 73.18, "f1": 72.83}),
        ("ssmi", "msra", {"precision": 96.15, "recall": 96.49, "f1": 96.32, "span_f1": 96.59, "type_accuracy": 99.85}),
        ("bert-crf", "resume", {"precision": 95.14, "recall": 95.27, "f1": 95.29}),
        ("no-gmi", "ontonotes4", {"f1": 74.08, "span_f1": 73.85, "type_accuracy": 98.53}),
        ("no-biaffine", "weibo", {"f1": 72.43}),
        ("softlexicon-no-encoder", "weibo", {"named_f1": 59.08, "nominal_f1": 62.22, "f1": 61.42}),
        ("segment-only", "weibo", {}),
        ("ssmi", "sample", {}),
        ("nothing of the kind", "weibo", {}),
    ],
)
def test_printed_figures_of_a_configuration(configuration: str, dataset: str, expected: Mapping[str, float]) -> None:
    assert paper_figures().of(configuration, dataset) == expected


def test_gains_are_relative_to_bert_crf() -> None:
    figures = paper_figures()
    gains = {name: figures.gain("ssmi", name) for name in DATASETS}
    assert gains == {
        name: pytest.approx(gain)
        for name, gain in {"ontonotes4": 3.57, "msra": 1.54, "weibo": 5.53, "resume": 2.04}.items()
    }
    assert figures.gain("bert-crf", "weibo") is None and figures.gain("segment-only", "weibo") is None


def test_every_ablation_of_the_paper_is_a_configuration() -> None:
    printed = {paper_figures().row_of(name) for name in CONFIGURATIONS}
    assert set(paper_figures().table_3) <= printed
    assert [name for name in CONFIGURATIONS if name in ROWS] == list(ROWS)


def test_data_set_names_are_mapped_to_those_of_the_paper() -> None:
    assert [paper_name(name) for name in ("ontonotes", "ontonotes4", "weibo", "tiny")] == [
        *("ontonotes4",) * 2,
        "weibo",
        "tiny",
    ]

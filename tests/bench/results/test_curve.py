"""The curve of F1 against depth and speed: its figures and picture agree with the files."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.parquet import schema, tables
from tests.bench.results import curve
from tests.bench.results.curve import Point

ENTITY = {"label": "PER", "gold": 1, "predicted": 1, "correct": 1}
MISSED = {"label": "LOC", "gold": 2, "predicted": 0, "correct": 0}


def _point(speed: float, f1: float) -> Point:
    return Point("weibo", "ssmi", "2", 5, f1, f1, f1, speed)


points = st.lists(st.builds(_point, st.floats(0.5, 50), st.floats(0, 100)), max_size=12)


@given(points)
def test_the_front_contains_exactly_the_unbeaten_points(points_of_all_networks: list[Point]) -> None:
    front = curve.front(points_of_all_networks)

    def is_beaten(point: Point) -> bool:
        return any(
            other.speed >= point.speed and other.f1 >= point.f1 and (other.speed, other.f1) != (point.speed, point.f1)
            for other in points_of_all_networks
        )

    assert {(point.speed, point.f1) for point in front} == {
        (point.speed, point.f1) for point in points_of_all_networks if not is_beaten(point)
    }
    assert [point.speed for point in front] == sorted((point.speed for point in front), reverse=True)


def test_f1_is_computed_from_pooled_counts(tmp_path: Path) -> None:
    sentences = [[ENTITY], [ENTITY, MISSED], [], [MISSED], [ENTITY]]
    rows = [
        {"configuration": "ssmi-2", "seed": seed, "sentence": f"{index:016x}", "counts": counts}
        for seed in (13, 14)
        for index, counts in enumerate(sentences)
    ]
    tables.write_rows(tmp_path / "counts.parquet", schema.ABLATION_COUNTS, rows)
    n_runs, f1, low, high = curve.f1_of_rows(tmp_path / "counts.parquet", n_folds=5)["ssmi-2"]
    assert n_runs == 10
    assert f1 == pytest.approx(100 * 2 * 3 / (3 + 3 + 4))
    assert 0 <= low < f1 < high <= 100


def test_a_row_of_an_ablation_becomes_a_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"configuration": name, "seed": 13, "sentence": "0" * 16, "counts": [ENTITY]}
        for name in ("bert-crf-12", "row-without-a-speed")
    ]
    tables.write_rows(tmp_path / "counts.parquet", schema.ABLATION_COUNTS, rows)
    (tmp_path / "speeds.csv").write_text("bert-crf-12,1\n", encoding="utf-8")
    existing = Point("weibo", "ssmi", "none", 5, 50.0, 40.0, 60.0, 4.0)
    curve.write_points([existing], tmp_path / "curve.csv")
    curve.add("weibo", [tmp_path / "counts.parquet"], tmp_path / "speeds.csv", n_folds=5, path=tmp_path / "curve.csv")
    assert curve.read_points(tmp_path / "curve.csv") == [
        Point("weibo", "bert-crf", "12", 5, 100.0, 100.0, 100.0, 1.0),
        existing,
    ]


def test_a_speed_of_an_unknown_row_is_refused(tmp_path: Path) -> None:
    rows = [{"configuration": "ssmi-2", "seed": 13, "sentence": "0" * 16, "counts": [ENTITY]}]
    tables.write_rows(tmp_path / "counts.parquet", schema.ABLATION_COUNTS, rows)
    (tmp_path / "speeds.csv").write_text("ssmi-3,1\n", encoding="utf-8")
    curve.write_points([], tmp_path / "curve.csv")
    with pytest.raises(SystemExit, match="ssmi-3: no such row; the counts have ssmi-2"):
        curve.add(
            "weibo", [tmp_path / "counts.parquet"], tmp_path / "speeds.csv", n_folds=5, path=tmp_path / "curve.csv"
        )


def test_the_committed_pictures_show_the_stored_points(tmp_path: Path) -> None:
    stored = curve.read_points()
    assert len(stored) == pl.read_csv(curve.POINTS).height > 0
    curve.draw(stored, tmp_path)
    pictures = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert pictures == {path.name: path.read_bytes() for path in curve.PICTURES.glob("curve-*.svg")}

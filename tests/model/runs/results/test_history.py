"""The best epoch, and history.csv as other programs read it."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssmi.model.evaluation.scoring import EntityCounts, Scores
from ssmi.model.runs.results.history import Epoch, EpochRecord, best, chosen, read, write
from ssmi.pipeline.contract.errors import StaleArtifactError

HEAD = "epoch,train_loss,dev_precision,dev_recall,dev_f1\n"


def _record(epoch: int, counts: EntityCounts, *, loss: float = 1.0) -> EpochRecord:
    return EpochRecord(epoch, loss, Scores(counts, {}, {}, counts, ill_formed=0, n_sentences=3))


counts = st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)).map(
    lambda values: EntityCounts(values[0], values[1], min(values))
)


@given(st.lists(counts, min_size=1))
def test_best_is_the_first_epoch_with_the_highest_f1(counts_per_epoch: list[EntityCounts]) -> None:
    history = [_record(epoch, epoch_counts) for epoch, epoch_counts in enumerate(counts_per_epoch, start=1)]
    best_record = best(history)
    f1 = [record.dev.overall.f1 for record in history]
    assert best_record.epoch == f1.index(max(f1)) + 1
    assert best(history[::-1]) is best_record  # the epoch number decides, not the position in the list


def test_empty_history_has_no_best_epoch() -> None:
    with pytest.raises(ValueError):
        best([])
    with pytest.raises(ValueError):
        chosen([], select="last")


@given(st.lists(counts, min_size=1))
def test_chosen_epoch_is_the_best_or_the_last(counts_per_epoch: list[EntityCounts]) -> None:
    history = [_record(epoch, epoch_counts) for epoch, epoch_counts in enumerate(counts_per_epoch, start=1)]
    assert chosen(history, select="best") is best(history)
    assert chosen(history, select="last") is chosen(history[::-1], select="last") is history[-1]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.tuples(counts, st.floats(0, 1e6))))
def test_history_csv_reads_back(tmp_path: Path, epochs: list[tuple[EntityCounts, float]]) -> None:
    history = [_record(epoch, epoch_counts, loss=loss) for epoch, (epoch_counts, loss) in enumerate(epochs, start=1)]
    path = tmp_path / "history.csv"
    write(path, history)
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream, strict=True)
        rows = list(reader)
    assert reader.fieldnames == ["epoch", "train_loss", "dev_precision", "dev_recall", "dev_f1"]
    assert [int(row["epoch"]) for row in rows] == [record.epoch for record in history]
    for row, record in zip(rows, history, strict=True):
        dev = record.dev.overall
        exact = (record.train_loss, dev.precision, dev.recall, dev.f1)
        assert [float(value) for value in list(row.values())[1:]] == pytest.approx(exact, abs=5.1e-7)
    assert read(path) == [tuple(map(float, row.values())) for row in rows]
    assert [file.name for file in tmp_path.iterdir()] == ["history.csv"]


def test_each_row_is_read_as_an_epoch(tmp_path: Path) -> None:
    file = tmp_path / "history.csv"
    file.write_text(HEAD + "1,2.5,0.5,0.25,0.33\n", encoding="utf-8")
    assert read(file) == [Epoch(1, 2.5, 0.5, 0.25, 0.33)]


def test_missing_file_has_no_epochs(tmp_path: Path) -> None:
    assert read(tmp_path / "history.csv") == []


@pytest.mark.parametrize("content", ["epoch\n1\n", HEAD + "1\n", HEAD + "1,a,b,c,d\n"])
def test_invalid_file_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "history.csv"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(StaleArtifactError, match="not a history of this version") as caught:
        read(file)
    assert "train again" in caught.value.next_step

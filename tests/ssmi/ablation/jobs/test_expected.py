"""Expected times: their computation, their wording, and the file of speeds, which may be missing or wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.ablation.jobs.expected import Times, describe, in_words, seconds_of_run, total
from ssmi.ablation.jobs.job import Speed
from ssmi.pipeline.contract.parameters.params import TrainParams

SPEED = Speed(start_seconds=10.0, characters=1000, characters_per_step=100.0, characters_per_second=50.0)


def test_the_time_of_a_run_is_start_steps_and_scoring() -> None:
    trained = seconds_of_run(SPEED, TrainParams(epochs=3), tagged_characters=0)
    assert trained == pytest.approx(10 + 3 * 1000 / 50)
    scored = seconds_of_run(SPEED, TrainParams(epochs=3), tagged_characters=200)
    assert scored - trained == pytest.approx(3 * 0.35 * 200 / 50)


@pytest.mark.parametrize(("max_steps", "characters", "n_epochs"), [(5, 500, 1), (15, 1500, 2), (300, 3000, 3)])
def test_max_steps_limits_the_time_of_a_run(max_steps: int, characters: int, n_epochs: int) -> None:
    train = TrainParams(epochs=3, max_steps=max_steps)
    seconds = seconds_of_run(SPEED, train, tagged_characters=100)
    assert seconds == pytest.approx(10 + (characters + 0.35 * 100 * n_epochs) / 50)


@given(st.lists(st.floats(0.1, 100), max_size=12), st.integers(1, 4))
def test_parallel_jobs_share_the_work(seconds: list[float], n_jobs: int) -> None:
    total_seconds = total(seconds, n_jobs=n_jobs)
    assert total_seconds <= sum(seconds) + 1e-9
    assert total_seconds >= max([sum(seconds) / n_jobs, *seconds], default=0) - 1e-9
    assert total(seconds, n_jobs=1) == pytest.approx(sum(seconds))


def test_two_jobs_take_half_of_equal_runs() -> None:
    assert total([10.0] * 6, n_jobs=2) == 30.0
    assert total([10.0] * 5, n_jobs=2) == 30.0
    assert total([], n_jobs=2) == 0.0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "1 s"),
        (20.4, "20 s"),
        (99.0, "99 s"),
        (100.0, "2 min"),
        (3569.0, "59 min"),
        (3571.0, "1 h 00 min"),
        (7800.0, "2 h 10 min"),
        (100_000.0, "27 h 47 min"),
    ],
)
def test_times_are_formatted_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_the_estimate_is_described() -> None:
    description = describe({"ssmi": 300.0, "bert-crf": 220.0}, n_runs=60, seconds=7800.0, n_jobs=2)
    assert description == "60 runs, about 2 h 10 min with 2 jobs (a run: ssmi 5 min, bert-crf 4 min)"
    assert describe({"ssmi": 20.0}, n_runs=1, seconds=20.0, n_jobs=1) == "1 run, about 20 s (a run: ssmi 20 s)"


def test_times_are_stored_by_settings_and_number_of_jobs(tmp_path: Path) -> None:
    times = Times(tmp_path / "private" / "times.json")
    assert times.of("0a1b", n_jobs=1) is None
    times.add("0a1b", n_jobs=1, seconds=12.34)
    times.add("0a1b", n_jobs=2, seconds=20.0)
    times.add("0a1b", n_jobs=1, seconds=15.0)
    assert [times.of("0a1b", n_jobs=n) for n in (1, 2, 3)] == [15.0, 20.0, None]
    assert [path.name for path in times.path.parent.iterdir()] == ["times.json"]


@pytest.mark.parametrize("text", ["", "[]", '{"0a1b x1": "soon"}', '{"0a1b x1": 1' + 400 * "0" + "}", "{"])
def test_a_damaged_file_is_ignored(tmp_path: Path, text: str) -> None:
    times = Times(tmp_path / "times.json")
    times.path.write_text(text, encoding="utf-8")
    assert times.of("0a1b", n_jobs=1) is None
    times.add("0a1b", n_jobs=1, seconds=2.0)
    assert times.of("0a1b", n_jobs=1) == 2.0

"""A soak in small: the same entities from both ways as from small batches; what counts as growing."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from tests.soak.__main__ import chart, compare, soak
from tests.soak.memory import MOST_GROWTH, Course, python, watch
from tests.soak.texts import sentences

LINES = ["王小明在北京大学任教授", "长江大桥", "他是上海市人"]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    (tmp_path / "a.txt").write_text("\n".join([LINES[0], "", LINES[1]]), encoding="utf-8")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(LINES[2].encode()))
    return [tmp_path / "a.txt", tmp_path / "b.txt.gz"]


def test_sentences_are_those_of_the_files_and_never_the_same(files: list[Path]) -> None:
    made = list(sentences(files, 8))
    assert len(set(made)) == 8
    assert made[:4] == [f"{line}第{number}号" for number, line in enumerate([*LINES, LINES[0]])]


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="reads what Linux tells of a process")
def test_a_small_soak_gives_what_small_batches_give(tagging_project: Any, files: list[Path], monkeypatch: Any) -> None:
    monkeypatch.setenv("SSMI_CACHE", tagging_project.environment["SSMI_CACHE"])
    run = tagging_project.root / "artifacts" / "train" / "tiny"
    result = soak(run, files, 60)
    assert (result.n, result.n_compared, result.n_different) == (60, 60, 0)
    for course in (result.predict, result.threads):
        assert len(course.shares) == len(course.megabytes) > 0 and max(course.shares) == 1.0
    drawn = chart(result)
    assert [line.name for line in drawn.lines] == ["ssmi-cli predict", "Python, two threads"]
    # One that differs is found.
    rows = [(text, [], [{"start": 0}]) for text in sentences(files, 3)]
    assert compare(run, iter(rows)) == (3, 3)


def test_a_program_that_fails_is_no_soak() -> None:
    with pytest.raises(Exception, match="returned non-zero"):
        watch(python("tests.soak.nothing"), n_bytes=1)


@pytest.mark.parametrize(("last", "is_flat"), [(100.0, True), (100.0 * (1 + MOST_GROWTH / 2), True), (120.0, False)])
def test_growth_is_of_the_last_third_over_the_first_after_the_warm_up(last: float, is_flat: bool) -> None:
    shares = [n / 100 for n in range(100)]
    course = Course(shares, [10.0] * 30 + [100.0] * 24 + [105.0] * 22 + [last] * 24)
    assert course.growth == pytest.approx(last / 100.0 - 1)
    assert course.is_flat == is_flat


def test_too_few_samples_tell_nothing() -> None:
    with pytest.raises(ValueError, match="too few samples"):
        _ = Course([0.1, 0.9], [1.0, 1.0]).growth

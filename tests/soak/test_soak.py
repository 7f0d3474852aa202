"""A small soak: both commands give the same entities as small batches. Also, how growth is measured."""

from __future__ import annotations

import gc
import gzip
import io
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Semaphore
from typing import Any

import pytest

import ssmi
from ssmi.predict.tagger import Tagger
from tests.soak.__main__ import PREDICT, THREADS, Entities, SoakResult, chart, differing_sentences, soak
from tests.soak.memory import MAX_GROWTH, MemoryProfile, watch
from tests.soak.texts import read_lines, sentences
from tests.soak.threads import tag_by_threads

LINES = ["王小明在北京大学任教授", "长江大桥", "他是上海市人"]
LINUX = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc, which only Linux has")
ROUND = 150
GROWING_PROGRAM = (
    "import sys\nkept = []\nfor line in sys.stdin: kept.append(bytearray({})); print(line, end='', flush=True)"
)
"""A program that keeps a given number of bytes for each line."""


def test_lines_are_read_from_texts_and_data_sets(tmp_path: Path) -> None:
    plain, packed, labelled = (tmp_path / name for name in ("a.txt", "b.txt.gz", "c.bmes.gz"))
    plain.write_text(f"{LINES[0]}\n\n", encoding="utf-8")
    packed.write_bytes(gzip.compress(LINES[1].encode()))
    labelled.write_bytes(gzip.compress("\n".join(f"{one} O" for one in LINES[2]).encode()))
    assert read_lines([plain, packed, labelled]) == LINES


def test_sentences_are_numbered_lines_and_all_different() -> None:
    numbered = list(sentences(LINES, 8))
    assert len(set(numbered)) == 8
    assert numbered[:4] == [f"{line}第{number}号" for number, line in enumerate([*LINES, LINES[0]])]


@LINUX
def test_a_small_soak_gives_the_entities_of_small_batches(tagging_project: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("SSMI_CACHE", tagging_project.environment["SSMI_CACHE"])
    run = tagging_project.root / "artifacts" / "train" / "tiny"
    results = soak(run, LINES, 60)
    for one in results.values():
        assert (one.memory.n, len(one.compared), len(one.found)) == (60, 60, 60)
        assert any(one.found.values()) and not differing_sentences(run, one)
    assert [line.name for line in chart(results).lines] == [PREDICT, THREADS]
    # A sentence that differs or is missing is found.
    text, other, *_ = compared = results[PREDICT].compared
    changed: dict[str, Entities] = {**results[PREDICT].found, text: [{"start": 0}]}
    del changed[other]
    assert differing_sentences(run, SoakResult(results[PREDICT].memory, compared, changed)) == [text, other]


def test_repeated_sentences_take_no_memory(tagging_project: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("SSMI_CACHE", tagging_project.environment["SSMI_CACHE"])
    tagger = ssmi.open_run(tagging_project.root / "artifacts" / "train" / "tiny", threads=1)
    texts = "".join(f"{text}\n" for text in sentences(LINES, ROUND))
    written = io.StringIO()
    for_new = _remaining_bytes(tagger, texts, written)
    first = sorted(written.getvalue().splitlines())
    _remaining_bytes(tagger, texts, io.StringIO())  # a thread may have seen segments that the other had not
    written = io.StringIO()
    # New text is remembered; eight times as much repeated text takes less memory than that.
    assert 0 <= _remaining_bytes(tagger, 8 * texts, written) < for_new
    assert sorted(written.getvalue().splitlines()) == sorted(8 * first)


def _remaining_bytes(tagger: Tagger, texts: str, written: io.StringIO) -> int:
    """Bytes allocated by the program's code that remain after two threads have tagged the texts."""
    tracemalloc.start()
    try:
        tag_by_threads(tagger, io.StringIO(texts), written)
        gc.collect()
        snapshot = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    filters = [tracemalloc.Filter(True, f"*/{folder}/*") for folder in ("pipeline", "model", "predict")]
    return sum(trace.size for trace in snapshot.filter_traces(filters).traces)


def _program(text: str) -> list[str]:
    return [sys.executable, "-c", text]


@LINUX
@pytest.mark.parametrize(("n_bytes", "grows"), [(0, False), (200_000, True)])
def test_a_program_that_keeps_its_input_is_seen_to_grow(n_bytes: int, grows: bool) -> None:
    lines: list[str] = []
    previous_done = Semaphore(1)

    def texts() -> Iterator[str]:
        # Each text waits for the row of the previous one; otherwise the program may end before it is sampled.
        for n in range(300):
            assert previous_done.acquire(timeout=600)
            yield str(n)

    def row(line: str) -> None:
        lines.append(line)
        previous_done.release()

    memory = watch(_program(GROWING_PROGRAM.format(n_bytes)), texts(), every=10, seconds=None, row=row)
    assert lines == [f"{n}\n" for n in range(300)]
    # After the last row the program may have ended.
    assert (memory.n, list(memory.sentences)[:29]) == (300, list(range(10, 300, 10)))
    assert (memory.growth() > MAX_GROWTH) == grows


@LINUX
def test_feeding_stops_after_the_time_limit() -> None:
    memory = watch(_program("print(end=input())"), iter(["one"]), every=1, seconds=1000, row=lambda line: None)
    assert memory.n == 1
    memory = watch(_program("import sys; sys.stdin.read()"), iter(["one"]), every=1, seconds=-1, row=lambda line: None)
    assert memory.n == 0


@pytest.mark.parametrize(
    ("program", "error", "match"),
    [
        ("raise SystemExit(3)", subprocess.CalledProcessError, "non-zero exit status 3"),
        ("import sys; sys.stdin.read()", ValueError, "0 rows for 2 sentences"),
    ],
)
def test_a_program_that_fails_or_loses_lines_is_an_error(program: str, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        watch(_program(program), ["one", "two"], every=1, seconds=None, row=lambda line: None)


def _profile(megabytes: Sequence[float]) -> MemoryProfile:
    return MemoryProfile(len(megabytes), range(1, len(megabytes) + 1), megabytes)


@pytest.mark.parametrize(("last", "growth"), [(100.0, 0.0), (102.0, 0.02), (120.0, 0.2), (90.0, -0.1)])
def test_growth_compares_the_last_and_first_third_after_the_warm_up(last: float, growth: float) -> None:
    memory = _profile([10.0] * 32 + [100.0] * 22 + [105.0] * 23 + [last] * 22)
    assert memory.growth() == pytest.approx(growth)


def test_too_few_samples_are_an_error() -> None:
    with pytest.raises(ValueError, match="too few"):
        _profile([1.0, 1.0]).growth()

"""Typed text is tagged in a separate thread: typing never waits, the last text wins, and failures are raised."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence

import pytest

from ssmi import Entity
from ssmi.cli.terminal.live import Reading

SECONDS = 60.0


class Gate:
    """A tagger that marks every 北京, but returns only when the test releases it."""

    def __init__(self) -> None:
        self.asked: queue.Queue[str] = queue.Queue()
        self.let = threading.Semaphore(0)

    def __call__(self, text: str) -> Sequence[Entity]:
        self.asked.put(text)
        assert self.let.acquire(timeout=SECONDS)
        return mark(text)


def mark(text: str) -> Sequence[Entity]:
    starts = [start for start in range(len(text)) if text.startswith("北京", start)]
    return [Entity(start, start + 2, "LOC", "北京", 1.0) for start in starts]


def test_a_line_waits_for_its_own_entities() -> None:
    with Reading(mark, on_result=lambda: None) as reading:
        for text in ("到北京", "", "北京到北京", "上海", "到北京"):
            assert reading.wait_for_entities(text) == mark(text)


def test_of_texts_that_wait_only_the_last_is_read() -> None:
    gate, told = Gate(), threading.Event()
    with Reading(gate, on_result=told.set) as reading:
        reading.ask("北")
        assert gate.asked.get(timeout=SECONDS) == "北"
        for text in ("北京", "北京到", "北京到北京"):  # typed while the first is being tagged
            reading.ask(text)
        assert reading.known_entities("北京到北京") == [] and not told.is_set()
        gate.let.release(2)
        assert reading.wait_for_entities("北京到北京") == mark("北京到北京")
        assert gate.asked.get(timeout=SECONDS) == "北京到北京" and gate.asked.empty()
        assert told.wait(SECONDS)


def test_while_more_is_typed_what_is_known_stays_where_the_text_is_the_same() -> None:
    with Reading(mark, on_result=lambda: None) as reading:
        reading.wait_for_entities("到北京和北京")
        known = [(one.start, one.end) for one in reading.known_entities("到北京和北京的")]
        assert known == [(1, 3), (4, 6)]
        assert [one.start for one in reading.known_entities("到北京和南京")] == [1]
        assert [one.start for one in reading.known_entities("到北京")] == [1]
        assert reading.known_entities("去北京和北京") == [] and reading.known_entities("") == []


def test_a_failure_is_raised_where_the_line_is_waited_for() -> None:
    def fail(text: str) -> Sequence[Entity]:
        raise RuntimeError(f"cannot read {text}")

    with Reading(fail, on_result=lambda: None) as reading:
        for _ in range(2):  # the thread has ended, so the second call must not wait for it
            with pytest.raises(RuntimeError, match="cannot read 北京"):
                reading.wait_for_entities("北京")


def test_leaving_ends_the_thread() -> None:
    before = threading.active_count()
    with Reading(mark, on_result=lambda: None) as reading:
        assert threading.active_count() == before + 1
        reading.wait_for_entities("北京")
    assert threading.active_count() == before
    with pytest.raises(ValueError, match="broken"), Reading(mark, on_result=lambda: None):
        raise ValueError("broken")
    assert threading.active_count() == before

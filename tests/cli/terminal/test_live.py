"""Typed text is tagged in a separate thread: typing never waits, the latest text wins, and failures are raised."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence

import pytest

from ssmi import Entity
from ssmi.cli.terminal.live import Reading

SECONDS = 60.0


class BlockingTagger:
    """A tagger that marks every 北京, but returns only when the test releases it."""

    def __init__(self) -> None:
        self.texts: queue.Queue[str] = queue.Queue()
        self.permits = threading.Semaphore(0)

    def __call__(self, text: str) -> Sequence[Entity]:
        self.texts.put(text)
        assert self.permits.acquire(timeout=SECONDS)
        return tag(text)


def tag(text: str) -> Sequence[Entity]:
    starts = [start for start in range(len(text)) if text.startswith("北京", start)]
    return [Entity(start, start + 2, "LOC", "北京", 1.0) for start in starts]


def test_a_line_waits_for_its_own_entities() -> None:
    with Reading(tag, on_result=lambda: None) as reading:
        for text in ("到北京", "", "北京到北京", "上海", "到北京"):
            assert reading.wait_for_entities(text) == tag(text)


def test_only_the_latest_waiting_text_is_tagged() -> None:
    tagger, notified = BlockingTagger(), threading.Event()
    with Reading(tagger, on_result=notified.set) as reading:
        reading.ask("北")
        assert tagger.texts.get(timeout=SECONDS) == "北"
        for text in ("北京", "北京到", "北京到北京"):  # typed while the first is being tagged
            reading.ask(text)
        assert reading.known_entities("北京到北京") == [] and not notified.is_set()
        tagger.permits.release(2)
        assert reading.wait_for_entities("北京到北京") == tag("北京到北京")
        assert tagger.texts.get(timeout=SECONDS) == "北京到北京" and tagger.texts.empty()
        assert notified.wait(SECONDS)


def test_known_entities_are_kept_in_the_unchanged_text() -> None:
    with Reading(tag, on_result=lambda: None) as reading:
        reading.wait_for_entities("到北京和北京")
        known = [(entity.start, entity.end) for entity in reading.known_entities("到北京和北京的")]
        assert known == [(1, 3), (4, 6)]
        assert [entity.start for entity in reading.known_entities("到北京和南京")] == [1]
        assert [entity.start for entity in reading.known_entities("到北京")] == [1]
        assert reading.known_entities("去北京和北京") == [] and reading.known_entities("") == []


def test_a_failure_is_raised_to_the_waiting_caller() -> None:
    def fail(text: str) -> Sequence[Entity]:
        raise RuntimeError(f"cannot read {text}")

    with Reading(fail, on_result=lambda: None) as reading:
        for _ in range(2):  # the thread has ended, so the second call must not wait for it
            with pytest.raises(RuntimeError, match="cannot read 北京"):
                reading.wait_for_entities("北京")


def test_closing_ends_the_thread() -> None:
    before = threading.active_count()
    with Reading(tag, on_result=lambda: None) as reading:
        assert threading.active_count() == before + 1
        reading.wait_for_entities("北京")
    assert threading.active_count() == before
    with pytest.raises(ValueError, match="broken"), Reading(tag, on_result=lambda: None):
        raise ValueError("broken")
    assert threading.active_count() == before

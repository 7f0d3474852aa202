"""A Python program with two threads and one tagger: lines from stdin in, one JSON row each out, as from ``predict``."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import TextIO

import ssmi
from ssmi.predict.tagger import Tagger

THREADS = 2


class Source:
    """Lines of a stream, shared by several threads: each line goes to one of them."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = Lock()

    def __iter__(self) -> Iterator[str]:
        while True:
            with self._lock:
                line = self._stream.readline()
            if not line:
                return
            yield line.rstrip("\n")


def tag_by_threads(tagger: Tagger, stream: TextIO, out: TextIO) -> None:
    """Tag the lines of a stream with ``THREADS`` threads; rows are written as they are ready."""
    source, writing = Source(stream), Lock()
    with ThreadPoolExecutor(THREADS) as pool:
        for job in [pool.submit(_tag, tagger, source, out, writing) for _ in range(THREADS)]:
            job.result()


def _tag(tagger: Tagger, source: Source, out: TextIO, writing: Lock) -> None:
    waiting: deque[str] = deque()

    def texts() -> Iterator[str]:
        for text in source:
            waiting.append(text)
            yield text

    for found in tagger.stream(texts()):
        entities = [{"start": one.start, "end": one.end, "label": one.label, "text": one.text} for one in found]
        row = json.dumps({"text": waiting.popleft(), "entities": entities}, ensure_ascii=False)
        with writing:
            out.write(f"{row}\n")


if __name__ == "__main__":
    tag_by_threads(ssmi.open_run(Path(sys.argv[1]), threads=1), sys.stdin, sys.stdout)

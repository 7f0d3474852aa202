"""A Python program with two threads and one tagger: every second line to each, results to a file a thread."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import ssmi
from ssmi.predict.tagger import Tagger

THREADS = 2


def tag_share(tagger: Tagger, text: Path, out: Path, share: int) -> None:
    """Tag the lines of one share as they come, and write a row of JSON for each."""

    def lines() -> Iterator[str]:
        with text.open(encoding="utf-8") as stream:
            yield from (line.rstrip("\n") for line in islice(stream, share, None, THREADS))

    with out.open("w", encoding="utf-8") as stream:
        for found in tagger.stream(lines()):
            row = [{"start": one.start, "end": one.end, "label": one.label, "text": one.text} for one in found]
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")


def outputs(folder: Path) -> list[Path]:
    """The file of each thread."""
    return [folder / f"thread-{share}.jsonl" for share in range(THREADS)]


def main() -> None:
    """``RUN TEXT FOLDER``."""
    run, text, folder = map(Path, sys.argv[1:])
    tagger = ssmi.open_run(run, threads=1)
    with ThreadPoolExecutor(THREADS) as pool:
        jobs = [pool.submit(tag_share, tagger, text, out, share) for share, out in enumerate(outputs(folder))]
        for job in jobs:
            job.result()


if __name__ == "__main__":
    main()

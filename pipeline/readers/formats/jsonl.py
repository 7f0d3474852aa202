"""JSON lines, or one JSON array, whose rows hold ``text`` with spans or ``tokens`` with tags; see ``rows/objects``.

doccano exports such rows: with ``label`` or ``labels`` of ``[start, end, type]``, or with ``entities`` that have
``start_offset`` and ``end_offset``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ssmi.pipeline.readers.options import ReadOptions
from ssmi.pipeline.readers.raw.json_values import Value, json_values
from ssmi.pipeline.readers.rows.objects import read_rows
from ssmi.pipeline.readers.sentence import ReadReport, Sentence


def read_jsonl(path: Path, options: ReadOptions, report: ReadReport) -> Iterator[Sentence]:
    """Yield one sentence per row; blank lines are skipped and counted.

    Raises:
        InputDataError: As in ``json_values`` and ``read_rows``.
    """

    def rows(counting: ReadReport | None) -> Iterator[Value]:
        return json_values(path, encoding=options.encoding, report=counting)

    return read_rows(rows, path=path, options=options, report=report)

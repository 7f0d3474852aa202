"""Where a Dask scheduler that was just started listens."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path


def address_in(scheduler_file: Path, *, seconds: float = 600) -> str:
    """The address in the file of ``dask scheduler --scheduler-file``, as soon as it is there.

    Dask opens the file before it writes it, so one that is there may be empty or half written.

    Raises:
        TimeoutError: No scheduler wrote it in so many seconds.

    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(FileNotFoundError, ValueError):
            address: str = json.loads(scheduler_file.read_text(encoding="utf-8"))["address"]
            return address
        time.sleep(0.02)
    raise TimeoutError(f"{scheduler_file}: no scheduler has written it")

"""Address of a Dask scheduler that was just started."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path


def address_in(scheduler_file: Path, *, seconds: float = 600) -> str:
    """Wait for the file of ``dask scheduler --scheduler-file`` and return the address in it.

    Dask opens the file before it writes it, so an existing file may be empty or half written.

    Raises:
        TimeoutError: No scheduler wrote the file within ``seconds``.

    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(FileNotFoundError, ValueError):
            address: str = json.loads(scheduler_file.read_text(encoding="utf-8"))["address"]
            return address
        time.sleep(0.02)
    raise TimeoutError(f"{scheduler_file}: no scheduler has written it")

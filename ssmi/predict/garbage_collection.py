"""Keep the garbage collector away from modules and weights that stay until the process ends."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def garbage_collection_paused() -> Iterator[None]:
    """Pause the garbage collector while permanent objects are created, and exempt them from later collections.

    The collector is enabled again afterwards if it was enabled before. Scanning these objects again and again took a
    fifth of the time: pausing reduced the CPU time of importing ``ssmi`` from 5.7 to 4.4 s.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was_on:
            gc.enable()

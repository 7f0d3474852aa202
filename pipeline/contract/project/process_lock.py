"""A lock that allows one computation at a time in a process.

A tagger caches its results. The thread counts of torch and BLAS, and what transformers changes while it loads weights,
belong to the whole process. Online code that uses any of these takes a turn first.
"""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager

_turn = threading.RLock()

if hasattr(os, "register_at_fork"):
    # A fork waits for the current turn, so that the child inherits no half-done work and no lock of a missing thread.
    os.register_at_fork(before=_turn.acquire, after_in_parent=_turn.release, after_in_child=_turn.release)


def turn() -> AbstractContextManager[object]:
    """Take a turn, waiting while another thread of this process has one; a thread that has a turn may take another."""
    return _turn

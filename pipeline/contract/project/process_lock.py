"""A lock that allows one computation at a time in a process.

A tagger caches its results. The thread counts of torch and BLAS, and what transformers changes while it loads weights,
belong to the whole process. Online code that uses any of these takes the lock first.
"""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager

_lock = threading.RLock()

if hasattr(os, "register_at_fork"):
    # A fork waits until the lock is free, so that the child inherits no half-done work and no lock of a missing thread.
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


def process_lock() -> AbstractContextManager[object]:
    """Return the lock, to be held in a ``with`` block; a thread that holds it may take it again."""
    return _lock

"""One computation at a time in a process.

A tagger caches what it computed, and torch's and BLAS's numbers of threads belong to the whole process, as does what
transformers changes while it opens weights. So whatever uses them on line takes a turn first.
"""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager

_turn = threading.RLock()

if hasattr(os, "register_at_fork"):
    # A fork waits for the turn under way: the child finds nothing half done, and no lock whose owner it lacks.
    os.register_at_fork(before=_turn.acquire, after_in_parent=_turn.release, after_in_child=_turn.release)


def turn() -> AbstractContextManager[object]:
    """Wait until no other thread of this process has a turn, and take one. The thread that has it may take another."""
    return _turn

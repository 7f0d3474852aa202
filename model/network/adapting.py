"""Change the states between two layers of an encoder, through a forward hook on the first of the two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from torch import Tensor, nn

Adapter = Callable[[Tensor], Tensor]
"""Maps the states of windows between two layers to states of the same shape: (n_windows, size, width)."""
_adapter: ContextVar[Adapter | None] = ContextVar("adapter", default=None)
"""The adapter of the running forward pass; a context variable, because a network may run in several threads."""


@contextmanager
def adapting(adapter: Adapter | None) -> Iterator[None]:
    """Set the adapter that ``adapted`` applies in this thread within the block; None applies none."""
    before = _adapter.set(adapter)
    try:
        yield
    finally:
        _adapter.reset(before)


def adapted(_layer: nn.Module, _inputs: Any, output: Any) -> Any:
    """Apply the current adapter as a forward hook of a layer, whose output is its states or a tuple they begin."""
    adapter = _adapter.get()
    # A hook that returns None leaves the output unchanged.
    if adapter is None:
        return None
    return adapter(output) if isinstance(output, Tensor) else (adapter(output[0]), *output[1:])

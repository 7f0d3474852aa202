"""What changes the states between two layers of an encoder, from a hook behind the first of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from torch import Tensor, nn

Adapter = Callable[[Tensor], Tensor]
"""States of windows between two layers → states of the same shape: (n_windows, size, width)."""
_adapter: ContextVar[Adapter | None] = ContextVar("adapter", default=None)
"""That of the forward pass which is running: a network may tag in several threads at once."""


@contextmanager
def adapting(adapter: Adapter | None) -> Iterator[None]:
    """Let ``adapted`` use this adapter meanwhile, in this thread; None for none."""
    before = _adapter.set(adapter)
    try:
        yield
    finally:
        _adapter.reset(before)


def adapted(_layer: nn.Module, _inputs: Any, output: Any) -> Any:
    """A hook behind a layer, whose output is its states or begins with them: what the running adapter makes of them."""
    adapter = _adapter.get()
    # From a hook, None leaves the output as it is.
    if adapter is None:
        return None
    return adapter(output) if isinstance(output, Tensor) else (adapter(output[0]), *output[1:])

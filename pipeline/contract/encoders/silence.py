"""Silence transformers while an encoder is loaded. Imports none of it: features and trainer pass its logging module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def silenced(logging: Any) -> Iterator[None]:
    """Hide progress bars and log lines while the block runs; problems are raised as errors.

    Afterwards both are as the caller had set them, for they belong to the whole process. Progress bars of the hub's
    client are switched along with those of transformers, and may have been set differently.

    Args:
        logging: ``transformers.utils.logging``.
    """
    hub = logging.hf_hub_utils
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    hub_bars = not hub.are_progress_bars_disabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
        if hub_bars:
            hub.enable_progress_bars()
        else:
            hub.disable_progress_bars()

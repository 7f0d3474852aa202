"""Transformers is silent while an encoder is loaded, and as the caller had set it afterwards."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator

import pytest
from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
from transformers.utils import logging as transformers_logging

from ssmi.pipeline.contract.encoders.silence import silenced


@pytest.fixture(autouse=True)
def settings_restored() -> Iterator[None]:
    with silenced(transformers_logging):
        yield


def _state() -> tuple[int, bool, bool]:
    bars = transformers_logging.is_progress_bar_enabled()
    return transformers_logging.get_verbosity(), bars, not are_progress_bars_disabled()


@pytest.mark.parametrize(
    ("verbosity", "bars", "hub_bars"),
    list(itertools.product((logging.INFO, logging.CRITICAL), (True, False), (True, False))),
)
def test_every_setting_is_that_of_the_caller_again(verbosity: int, bars: bool, hub_bars: bool) -> None:
    transformers_logging.set_verbosity(verbosity)
    if bars:
        transformers_logging.enable_progress_bar()
    else:
        transformers_logging.disable_progress_bar()
    if hub_bars:
        enable_progress_bars()
    else:
        disable_progress_bars()
    before = _state()
    assert before == (verbosity, bars, hub_bars)
    with silenced(transformers_logging):
        assert _state() == (logging.ERROR, False, False)
    assert _state() == before
    with pytest.raises(ValueError, match="broken"), silenced(transformers_logging):
        raise ValueError("broken")
    assert _state() == before

"""The adapter that a hook applies: the active one of its thread, and none outside the context."""

from __future__ import annotations

from threading import Thread

import pytest
import torch
from torch import Tensor, nn

from ssmi.model.network.adapting import adapted, adapting


class _Tuple(nn.Module):
    """A layer that returns a tuple with its states first, as RoFormer's layers do."""

    def forward(self, states: Tensor) -> tuple[Tensor, str]:
        return states, "attention"


def _doubled(states: Tensor) -> Tensor:
    return states * 2


def test_hook_changes_plain_states_and_states_in_a_tuple() -> None:
    plain, tupled = nn.Identity(), _Tuple()
    for layer in (plain, tupled):
        layer.register_forward_hook(adapted)
    ones = torch.ones(2)
    assert torch.equal(plain(ones), ones) and torch.equal(tupled(ones)[0], ones)
    with adapting(_doubled):
        states, rest = tupled(ones)
        assert torch.equal(plain(ones), ones * 2) and torch.equal(states, ones * 2) and rest == "attention"
        with adapting(None):
            assert torch.equal(plain(ones), ones)
        assert torch.equal(plain(ones), ones * 2)
    assert torch.equal(plain(ones), ones)


def test_adapter_is_removed_after_an_error_and_absent_in_other_threads() -> None:
    layer = nn.Identity()
    layer.register_forward_hook(adapted)
    outputs: list[Tensor] = []
    with pytest.raises(ZeroDivisionError), adapting(_doubled):
        thread = Thread(target=lambda: outputs.append(layer(torch.ones(1))))
        thread.start()
        thread.join()
        raise ZeroDivisionError
    assert outputs[0].item() == layer(torch.ones(1)).item() == 1.0

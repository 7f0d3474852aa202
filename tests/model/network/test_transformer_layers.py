"""The layers of each encoder type, and models whose first layers are removed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ssmi.model.network.transformer_layers import layers_of, remove_first

VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"王张李刘陈在北京上海")


@pytest.fixture
def model(tmp_path: Path, encoder_type: str, write_typed_encoder: Callable[..., Any]) -> Any:
    return write_typed_encoder(tmp_path / "encoder", encoder_type, VOCABULARY).from_pretrained(tmp_path / "encoder")


@torch.no_grad()
def test_layers_are_complete_and_in_order(model: Any) -> None:
    """Each layer runs once, on the output of the layer before."""
    order: list[int] = []
    for number, layer in enumerate(layers_of(model)):
        layer.register_forward_hook(lambda *_, number=number: order.append(number))
    model(input_ids=torch.tensor([[2, 5, 6, 3]]))
    assert order == [0, 1, 2]


@torch.no_grad()
@pytest.mark.parametrize("n_layers", [1, 2])
def test_remaining_layers_continue_from_stored_states(model: Any, n_layers: int) -> None:
    """States are bit-identical: mask, positions and kind of attention are kept."""
    ids = torch.tensor([[2, *[5 + index % 9 for index in range(20)], 3], [2, 7, 8, 3, *[0] * 18]])
    mask = (ids != 0).long()
    full = model.eval()(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    upper_layers = list(layers_of(model))[n_layers:]
    n_before = sum(parameter.numel() for parameter in model.parameters())
    remove_first(model, n_layers)
    assert list(layers_of(model)) == upper_layers
    assert sum(parameter.numel() for parameter in model.parameters()) < n_before
    upper = model(inputs_embeds=full.hidden_states[n_layers], attention_mask=mask)
    assert torch.equal(upper.last_hidden_state[mask.bool()], full.last_hidden_state[mask.bool()])

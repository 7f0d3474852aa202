"""The widths computed in advance are those of the tensors in a real batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ssmi.configurations import CONFIGURATIONS, find
from ssmi.model.data.shards import open_shards
from ssmi.model.network.widths import Widths

Make = Callable[..., Any]
READERS = {"mlp1": "local", "gru": "after_mlp1", "norm": "enhanced", "mlp2": "global_"}
HEADS = ("tags", "span.scorer.first")
"""The parts that read the final states; a network has one of them."""


@torch.no_grad()
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_each_part_reads_the_computed_width(
    shards: Path, make_network: Make, make_params: Make, make_batch: Make, name: str
) -> None:
    opened = open_shards(shards)
    network = make_network(opened, find(name).apply(make_params()))
    expected = Widths.of(
        network.params,
        encoder=network.encoder.width if network.encoder is not None else network.characters.embedding_dim,
        inputs=1,
        boundary=network.boundary.width if network.boundary is not None else 0,
    )
    widths: dict[str, int] = {}

    def record(part: str) -> Callable[..., None]:
        def hook(_: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> None:
            widths[part] = args[0].shape[-1]

        return hook

    present = [part for part in READERS if getattr(network, part) is not None]
    (head,) = (name for name in HEADS if getattr(network, name.partition(".")[0]) is not None)
    for part in (*present, head):
        network.get_submodule(part).register_forward_pre_hook(record(part))
    network(make_batch(opened))
    assert widths == {part: getattr(expected, READERS[part]) for part in present} | {head: expected.tagged}

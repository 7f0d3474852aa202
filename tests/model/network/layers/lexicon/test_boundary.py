"""Boundary embeddings."""

from __future__ import annotations

import torch

from ssmi.model.network.layers.lexicon.boundary import BoundaryEmbedding


def test_row_zero_is_zero_and_not_trained() -> None:
    layer = BoundaryEmbedding(torch.ones(3, 4), trainable=True)
    rows = torch.tensor([[0, 1, 3]])
    (vectors,) = layer([rows])
    assert vectors[0].tolist() == [[0.0] * 4, [1.0] * 4, [1.0] * 4]
    vectors.sum().backward()
    assert layer.table.weight.grad is not None
    assert layer.table.weight.grad.sum(1).tolist() == [0.0, 4.0, 0.0, 4.0]


def test_a_frozen_table_has_no_gradient() -> None:
    layer = BoundaryEmbedding(torch.ones(3, 4), trainable=False)
    assert not any(parameter.requires_grad for parameter in layer.parameters())


def test_added_rows_leave_the_table_unchanged() -> None:
    layer = BoundaryEmbedding(torch.ones(3, 4), trainable=True).eval()
    with torch.inference_mode():
        for start, value in ((4, 2.0), (5, 3.0), (5000, 4.0), (4, 5.0)):
            layer.set_rows(start, torch.full((1, 4), value))
        (vectors,) = layer([torch.tensor([0, 1, 3, 4, 5, 5000])])
    assert vectors[:, 0].tolist() == [0.0, 1.0, 1.0, 5.0, 3.0, 4.0]

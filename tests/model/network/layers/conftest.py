"""The padding check that all layers share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

LENGTHS = (7, 1, 4, 2)


@pytest.fixture
def assert_ignores_padding() -> Callable[..., None]:
    """Check ``layer(*inputs, mask)`` on sentences of LENGTHS, alone and in a batch, with noise of 1e3 at padding."""

    def check(layer: Callable[..., Tensor], *widths: int, zero_at_padding: bool = True) -> None:
        torch.manual_seed(11)
        for spare in (0, 5):
            mask = torch.arange(max(LENGTHS) + spare) < torch.tensor(LENGTHS)[:, None]
            clean = [torch.randn(*mask.shape, width) for width in widths]
            noisy = [torch.where(mask[..., None], x, 1e3 * torch.randn_like(x)).requires_grad_() for x in clean]
            together = layer(*noisy, mask)
            for row, length in enumerate(LENGTHS):
                alone = layer(*(x[row : row + 1, :length] for x in clean), mask[row : row + 1, :length])
                torch.testing.assert_close(together[row, :length], alone[0], atol=1e-6, rtol=1e-6)
            if zero_at_padding:
                assert not together[~mask].any()
            together[mask].square().sum().backward()
            for x in noisy:
                assert x.grad is not None
                assert x.grad[mask].any()
                assert not x.grad[~mask].any()

    return check

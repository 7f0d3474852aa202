"""The fast gradient method (FGM) on the embeddings that enter the encoder; see ``perturbed``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from ssmi.model.network.network import Network
from ssmi.pipeline.contract.errors import ParameterError
from ssmi.pipeline.contract.parameters.params import Params

_NO_GRADIENT = 1e-30
"""A norm below which ε / ‖g‖₂ would soon be no float32 any more."""


def check_parameters(params: Params) -> None:
    """Refuse a perturbation of embeddings that no step reads.

    Raises:
        ParameterError: ``train.fgm`` with ``model.encoder: frozen`` or ``upper``.

    """
    if params.train.fgm is not None and params.model.encoder in ("frozen", "upper"):
        raise ParameterError(
            f"train.fgm: {params.train.fgm:g} moves the embeddings that the encoder reads, but model.encoder: "
            f"{params.model.encoder} reads none",
            next_step="-S train.fgm=null, or -S model.encoder=finetune",
        )


def embeddings_of(network: Network) -> nn.Parameter:
    """The matrix of word embeddings: the encoder's, else the learned ones. Shape: (n_tokens, width)."""
    words = network.characters if network.encoder is None else network.encoder.words
    assert words is not None  # `check_parameters` has refused stored states
    weight = words.weight
    assert isinstance(weight, nn.Parameter)
    return weight


@contextmanager
def perturbed(embeddings: nn.Parameter, *, epsilon: float) -> Iterator[None]:
    """Move the embeddings within the block to where the loss grows fastest, as far as its gradient tells.

    Miyato, Dai and Goodfellow, "Adversarial Training Methods for Semi-Supervised Text Classification" (ICLR 2017),
    equation 4: r = ε · g / ‖g‖₂, g being the loss's gradient by the embeddings. There g is of one text's looked-up
    vectors; here it is of the whole matrix, the sum over all places of the batch, as in the public code for Chinese
    tagging whose gains are known. So a word moves alike wherever it stands, the texts of a batch share ε, and
    processes that share a batch, whose gradients have been added up, all make the same move.

    Args:
        embeddings: With the gradient of the batch's loss; the gradient is left as it is. Shape: (n_tokens, width)
        epsilon: The length of r, in the units of the embeddings.

    Yields:
        Nothing; the embeddings are moved until the block ends, and then exactly what they were.

    """
    assert embeddings.grad is not None
    # A copy to put back: taking r away again would leave the rounding of both moves in the weights.
    before = embeddings.detach().clone()
    norm = torch.linalg.vector_norm(embeddings.grad)
    with torch.no_grad():
        # Without a gradient there is no direction, and r is 0.
        embeddings.add_(embeddings.grad * (epsilon / norm.clamp(min=_NO_GRADIENT)))
    try:
        yield
    finally:
        with torch.no_grad():
            embeddings.copy_(before)

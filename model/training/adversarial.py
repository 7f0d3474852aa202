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
"""Lower bound on ‖g‖₂, which keeps ε / ‖g‖₂ within the range of float32."""


def check_parameters(params: Params) -> None:
    """Check that the embeddings that ``train.fgm`` perturbs are read in training.

    Raises:
        ParameterError: ``train.fgm`` is set with ``model.encoder: frozen`` or ``upper``.

    """
    if params.train.fgm is not None and params.model.encoder in ("frozen", "upper"):
        raise ParameterError(
            f"train.fgm: {params.train.fgm:g} moves the embeddings that the encoder reads, but model.encoder: "
            f"{params.model.encoder} reads none",
            next_step="-S train.fgm=null, or -S model.encoder=finetune",
        )


def embeddings_of(network: Network) -> nn.Parameter:
    """Return the word embedding matrix of the encoder, or else the learned one. Shape: (n_tokens, width)."""
    words = network.characters if network.encoder is None else network.encoder.words
    assert words is not None  # `check_parameters` has refused stored states
    weight = words.weight
    assert isinstance(weight, nn.Parameter)
    return weight


@contextmanager
def perturbed(embeddings: nn.Parameter, *, epsilon: float) -> Iterator[None]:
    """Perturb the embeddings within the block in the direction of the loss gradient.

    Miyato, Dai and Goodfellow, "Adversarial Training Methods for Semi-Supervised Text Classification" (ICLR 2017),
    equation 4: r = ε · g / ‖g‖₂, where g is the gradient of the loss with respect to the embeddings. In the paper, g is
    taken for the looked-up vectors of one text. Here it is taken for the whole matrix, summed over all positions of the
    batch, as in the public code for Chinese tagging whose gains are known. A word is therefore moved alike wherever it
    occurs, the texts of a batch share ε, and processes that share a batch, whose gradients have been combined, all make
    the same move.

    Args:
        embeddings: The embeddings, holding the gradient of the batch's loss, which is not changed. Shape: (n_tokens,
            width)
        epsilon: The length of r, in the units of the embeddings.

    Yields:
        Nothing. The embeddings are perturbed within the block and restored exactly when it ends.

    """
    assert embeddings.grad is not None
    # A copy to restore from, because subtracting r again would leave rounding errors in the weights.
    before = embeddings.detach().clone()
    norm = torch.linalg.vector_norm(embeddings.grad)
    with torch.no_grad():
        # With a zero gradient r is 0.
        embeddings.add_(embeddings.grad * (epsilon / norm.clamp(min=_NO_GRADIENT)))
    try:
        yield
    finally:
        with torch.no_grad():
            embeddings.copy_(before)

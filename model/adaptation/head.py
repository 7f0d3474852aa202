"""BERT's masked language modelling head, which maps a state to a score for every token.

``scores = LN(GELU(W s + b)) · Eᵀ + c``, where E is the encoder's word embedding matrix (Devlin et al. 2019). The layout
and the names of the stored weights are those of ``BertLMPredictionHead`` in transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional

from ssmi.model.network.encoder import Encoder

PREFIX = "cls.predictions."
"""Prefix of the head's weights in a file; encoders of every type can be loaded from a file that holds such weights."""
_ELSEWHERE = {
    "transform.dense.weight": "lm_head.dense.weight",
    "transform.dense.bias": "lm_head.dense.bias",
    "transform.LayerNorm.weight": "lm_head.layer_norm.weight",
    "transform.LayerNorm.bias": "lm_head.layer_norm.bias",
    "bias": "lm_head.bias",
}
"""The name of each weight here → its name in RoBERTa."""
_OLD_NAMES = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
"""Parts of names → their form in files converted from TensorFlow."""


class _Transform(nn.Module):
    """LN(GELU(W s + b)), with submodules named as in the files."""

    def __init__(self, *, width: int, embedding_width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, embedding_width)
        # The epsilon of BERT's layer norms.
        self.LayerNorm = nn.LayerNorm(embedding_width, eps=1e-12)
        nn.init.normal_(self.dense.weight, std=0.02)
        nn.init.zeros_(self.dense.bias)

    def forward(self, states: Tensor) -> Tensor:
        hidden: Tensor = self.LayerNorm(functional.gelu(self.dense(states)))
        return hidden


class MaskedHead(nn.Module):
    """Map states to scores of all tokens. The decoder matrix is passed to ``forward``, so the head holds none."""

    def __init__(self, *, width: int, embedding_width: int, n_tokens: int) -> None:
        super().__init__()
        self.transform = _Transform(width=width, embedding_width=embedding_width)
        self.bias = nn.Parameter(torch.zeros(n_tokens))

    def forward(self, states: Tensor, embeddings: Tensor) -> Tensor:
        """Score every token for each state.

        Args:
            states: States of the encoder's last layer. Shape: (n, width)
            embeddings: The encoder's word embeddings. Shape: (n_tokens, embedding_width)

        Returns:
            Scores before the softmax. Shape: (n, n_tokens)

        """
        return functional.linear(self.transform(states), embeddings, self.bias)


def head_for(encoder: Encoder, folder: Path) -> tuple[MaskedHead, bool]:
    """Load the head stored with an encoder, or create a new one if none fits.

    Args:
        encoder: The encoder, as loaded from ``folder``.
        folder: The folder with its weights.

    Returns:
        The head, and whether it is new. A new head is initialised from torch's global random generator.

    """
    n_tokens, embedding_width = encoder.words.weight.shape
    head = MaskedHead(width=encoder.width, embedding_width=embedding_width, n_tokens=n_tokens)
    found = _stored(folder, wanted=head.state_dict())
    if found is None:
        return head, True
    head.load_state_dict(found)
    return head, False


def _stored(folder: Path, *, wanted: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """Read the head weights of a folder in float32; None unless all are present with the right shapes."""
    names = {stored: name for name in wanted for stored in (PREFIX + name, PREFIX + _old(name), _ELSEWHERE[name])}
    found: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for stored in sorted(names.keys() & set(file.keys())):
                found[names[stored]] = file.get_tensor(stored).float()
    fits = found.keys() == wanted.keys() and all(found[name].shape == wanted[name].shape for name in wanted)
    return found if fits else None


def _old(name: str) -> str:
    for new, old in _OLD_NAMES.items():
        name = name.replace(new, old)
    return name

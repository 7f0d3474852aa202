"""The head that guesses masked characters, as BERT has it: from a state to a score for every token.

``scores = LN(GELU(W s + b)) · Eᵀ + c`` with E, the encoder's own word embeddings (Devlin et al. 2019; the layout of
``BertLMPredictionHead`` in transformers, under whose names the weights are kept).
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
"""Before the names of the head's weights in a file; encoders of every type are read with such weights beside theirs."""
_ELSEWHERE = {
    "transform.dense.weight": "lm_head.dense.weight",
    "transform.dense.bias": "lm_head.dense.bias",
    "transform.LayerNorm.weight": "lm_head.layer_norm.weight",
    "transform.LayerNorm.bias": "lm_head.layer_norm.bias",
    "bias": "lm_head.bias",
}
"""Our name of each weight, and RoBERTa's."""
_OLD_NAMES = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
"""Of files that were converted from TensorFlow."""


class _Transform(nn.Module):
    """LN(GELU(W s + b)), its parts named as in the files."""

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
    """States → scores of all tokens. Its decoder is the embeddings that it is given, so it holds none."""

    def __init__(self, *, width: int, embedding_width: int, n_tokens: int) -> None:
        super().__init__()
        self.transform = _Transform(width=width, embedding_width=embedding_width)
        self.bias = nn.Parameter(torch.zeros(n_tokens))

    def forward(self, states: Tensor, embeddings: Tensor) -> Tensor:
        """The score of every token.

        Args:
            states: Of the encoder's last layer. Shape: (n, width)
            embeddings: The encoder's word embeddings. Shape: (n_tokens, embedding_width)

        Returns:
            Scores before the softmax. Shape: (n, n_tokens)

        """
        return functional.linear(self.transform(states), embeddings, self.bias)


def head_for(encoder: Encoder, folder: Path) -> tuple[MaskedHead, bool]:
    """The head of an encoder folder, or a new one where it has none that fits.

    Args:
        encoder: As it was loaded from the folder.
        folder: Where its weights are.

    Returns:
        The head, and whether it is new; a new one is drawn from torch's global random generator.

    """
    n_tokens, embedding_width = encoder.words.weight.shape
    head = MaskedHead(width=encoder.width, embedding_width=embedding_width, n_tokens=n_tokens)
    found = _stored(folder, wanted=head.state_dict())
    if found is None:
        return head, True
    head.load_state_dict(found)
    return head, False


def _stored(folder: Path, *, wanted: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """The weights of a folder's head in float32; None unless all are there with the right shapes."""
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

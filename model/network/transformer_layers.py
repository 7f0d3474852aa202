"""Access to the layers of an encoder of any supported type, and removal of its first layers."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


def layers_of(bert: nn.Module) -> nn.ModuleList:
    """Return the layers of a transformers model of any supported type, in order."""
    holder, name = _place(bert)
    layers = getattr(holder, name)
    assert isinstance(layers, nn.ModuleList)
    return layers


def remove_first(bert: nn.Module, n_layers: int) -> None:
    """Remove the first layers of an encoder, whose ``inputs_embeds`` are then the states of the last removed layer.

    Anything that the type computes for all layers at once is kept: masks, relative positions (deberta-v2), rotations
    (roformer, modernbert). Each remaining layer keeps its kind of attention (modernbert: local or global).

    Args:
        bert: The transformers model, changed in place.
        n_layers: Number of layers to remove, at least 1.

    """
    holder, name = _place(bert)
    setattr(holder, name, layers_of(bert)[n_layers:])
    bert.embeddings = _PassThroughEmbeddings()
    # Removed as transformers' forward checks for them: whether this attribute exists, whether `conv` is None.
    if hasattr(bert, "embeddings_project"):  # electra, roformer: maps narrower embeddings to the layers' width
        del bert.embeddings_project
    if hasattr(holder, "conv"):  # deberta-v2: a convolution added to the first layer's output only
        holder.register_module("conv", None)


def _place(bert: nn.Module) -> tuple[nn.Module, str]:
    """Return the module that holds the layers, and their name in it; a modernbert model holds them itself."""
    encoder = getattr(bert, "encoder", None)
    return (bert, "layers") if encoder is None else (encoder, "layer")


class _PassThroughEmbeddings(nn.Module):
    """Replacement for the embeddings: passes on its input, the states of a layer, which include positions."""

    def forward(self, *, inputs_embeds: Tensor, **_: Any) -> Tensor:
        return inputs_embeds

"""Where an encoder of any supported type keeps its layers, and an encoder without the first of them."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


def layers_of(bert: nn.Module) -> nn.ModuleList:
    """The layers of transformers' model of any supported type, in their order."""
    holder, name = _place(bert)
    layers = getattr(holder, name)
    assert isinstance(layers, nn.ModuleList)
    return layers


def remove_first(bert: nn.Module, n_layers: int) -> None:
    """Make an encoder start behind its first layers: its ``inputs_embeds`` are then the states of the last of these.

    What the type computes for all layers at once stays: masks, relative positions (deberta-v2), rotations (roformer,
    modernbert). Each layer that is left keeps its kind of attention (modernbert: local or global).

    Args:
        bert: transformers' model, changed in place.
        n_layers: How many layers are removed, at least 1.

    """
    holder, name = _place(bert)
    setattr(holder, name, layers_of(bert)[n_layers:])
    bert.embeddings = _Given()
    # Each is taken away as transformers' forward asks for it: this one whether it exists, `conv` whether it is None.
    if hasattr(bert, "embeddings_project"):  # electra, roformer: from narrower embeddings to the layers' width
        del bert.embeddings_project
    if hasattr(holder, "conv"):  # deberta-v2: a convolution that joins the first layer's output alone
        holder.register_module("conv", None)


def _place(bert: nn.Module) -> tuple[nn.Module, str]:
    """The module that holds the layers, and their name in it: modernbert has them itself."""
    encoder = getattr(bert, "encoder", None)
    return (bert, "layers") if encoder is None else (encoder, "layer")


class _Given(nn.Module):
    """In place of the embeddings: what comes in has passed the first layers, its positions are in it."""

    def forward(self, *, inputs_embeds: Tensor, **_: Any) -> Tensor:
        return inputs_embeds

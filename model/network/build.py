"""Assembly of a network: which parts it has, how wide each is, and the order in which their weights are drawn.

A new part is a file in ``layers``, a keyword of ``Network`` and its place in the forward pass, a function here that
makes it or leaves it out, the width of what comes after it in ``widths``, and what it reads in ``requirements``.
"""

from __future__ import annotations

import torch
from torch import nn

from ssmi.model.data.boundaries import BoundaryTable
from ssmi.model.data.segment_positions import SEGMENT_POSITIONS
from ssmi.model.network.encoder import Encoder
from ssmi.model.network.layers.biaffine import Biaffine
from ssmi.model.network.layers.bigru import BiGRU
from ssmi.model.network.layers.boundary import BoundaryEmbedding
from ssmi.model.network.layers.can import ConvolutionalAttention
from ssmi.model.network.layers.crf import ConstrainedCrf
from ssmi.model.network.layers.feed_forward import FeedForward
from ssmi.model.network.layers.fusion import Fusion
from ssmi.model.network.layers.mutual_information import MutualInformationScorer
from ssmi.model.network.layers.norm import AdaptiveNorm
from ssmi.model.network.network import Network
from ssmi.model.network.requirements import wanted
from ssmi.model.network.widths import Widths
from ssmi.pipeline.contract.errors import MissingResourceError
from ssmi.pipeline.contract.labels import LabelSet
from ssmi.pipeline.contract.parameters.params import ModelParams


def build(
    params: ModelParams,
    *,
    labels: LabelSet,
    boundaries: BoundaryTable,
    encoder: Encoder | None,
    hidden_width: int | None,
    n_tokens: int,
) -> Network:
    """Assemble a network. Its new parts are initialised from torch's global random generator, in a fixed order.

    Args:
        params: Which parts it has, and their widths.
        labels: Its tags.
        boundaries: The vectors that its boundary embedding starts from.
        encoder: The loaded encoder; needed for ``encoder: finetune``, and its upper layers for ``upper``.
        hidden_width: Of the stored states; needed for ``encoder: frozen``.
        n_tokens: Size of the vocabulary of token ids; read for ``encoder: none``.

    Returns:
        The network, on the CPU.

    Raises:
        MissingResourceError: The encoder or the width of its states is needed and None.

    """
    tuned = encoder if params.trains_encoder else None
    width = _state_width(params, encoder=tuned, hidden_width=hidden_width)
    boundary = _boundary(params, boundaries)
    widths = Widths.of(
        params,
        encoder=width,
        inputs=tuned.input_width if tuned is not None else width,
        boundary=boundary.width if boundary is not None else 0,
    )
    return _assemble(params, widths, encoder=tuned, boundary=boundary, n_tokens=n_tokens, labels=labels)


def _assemble(
    params: ModelParams,
    widths: Widths,
    *,
    encoder: Encoder | None,
    boundary: BoundaryEmbedding | None,
    n_tokens: int,
    labels: LabelSet,
) -> Network:
    """The parts, in the order in which a batch goes through them."""
    # Each part draws its weights as it is made: with these lines in another order, the same seed gives another network.
    return Network(
        params=params,
        encoder=encoder,
        characters=nn.Embedding(n_tokens, widths.encoder) if params.encoder == "none" else None,
        boundary=boundary,
        fusion=_fusion(params, widths),
        can=_can(params, widths),
        mlp1=FeedForward(inputs=widths.local, outputs=widths.after_mlp1) if params.mlp1 else None,
        gru=BiGRU(inputs=widths.after_mlp1, outputs=widths.enhanced) if params.gru else None,
        norm=AdaptiveNorm(width=widths.enhanced) if params.layer_norm else None,
        information=_information(params, widths),
        mlp2=FeedForward(inputs=widths.global_, outputs=widths.after_mlp2) if params.mlp2 else None,
        biaffine=_biaffine(params, widths),
        tags=nn.Linear(widths.tagged, len(labels.tags)),
        crf=ConstrainedCrf(labels),
    )


def _state_width(params: ModelParams, *, encoder: Encoder | None, hidden_width: int | None) -> int:
    """The width of O_B."""
    width = {
        "finetune": encoder.width if encoder is not None else None,
        "upper": encoder.width if encoder is not None else None,
        "frozen": hidden_width,
        "none": params.character_width,
    }[params.encoder]
    if width is None:
        raise MissingResourceError(
            f"model.encoder: {params.encoder} without its encoder", next_step="name one with -S encoder.name=FOLDER"
        )
    return width


def _boundary(params: ModelParams, boundaries: BoundaryTable) -> BoundaryEmbedding | None:
    if not wanted(params).boundaries:
        return None
    return BoundaryEmbedding(torch.from_numpy(boundaries.vectors), trainable=params.train_boundaries)


def _fusion(params: ModelParams, widths: Widths) -> Fusion | None:
    if params.fusion == "none":
        return None
    n_segment_positions = len(SEGMENT_POSITIONS) if params.segment_positions else 0
    width = widths.inputs if params.fusion == "input" else widths.encoder
    return Fusion(width=width, boundary_width=widths.boundary, n_segment_positions=n_segment_positions)


def _can(params: ModelParams, widths: Widths) -> ConvolutionalAttention | None:
    if not params.can:
        return None
    return ConvolutionalAttention(width=widths.encoder, window=params.can_window, attention_width=widths.encoder // 4)


def _information(params: ModelParams, widths: Widths) -> MutualInformationScorer | None:
    if params.gmi == "none":
        return None
    return MutualInformationScorer(sentence_width=widths.encoder, boundary_width=widths.boundary)


def _biaffine(params: ModelParams, widths: Widths) -> Biaffine | None:
    if not params.biaffine:
        return None
    return Biaffine(left=widths.enhanced, right=widths.encoder, outputs=params.biaffine_width)

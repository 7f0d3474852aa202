"""Assembly of a network: its parts, their widths, and the order in which their weights are initialised.

To add a part, write a file in ``layers``, a keyword of ``Network`` with its place in the forward pass, a function here
that creates the part or returns None, the width of its output in ``widths``, and the features it reads in
``requirements``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ssmi.model.data.boundaries import BoundaryTable
from ssmi.model.data.features.boundary_roles import BOUNDARY_ROLES
from ssmi.model.data.features.segment_positions import SEGMENT_POSITIONS
from ssmi.model.network.encoder import Encoder
from ssmi.model.network.layers.biaffine import Biaffine
from ssmi.model.network.layers.bigru import BiGRU
from ssmi.model.network.layers.bilstm import BiLSTM
from ssmi.model.network.layers.can import ConvolutionalAttention
from ssmi.model.network.layers.crf import ConstrainedCrf
from ssmi.model.network.layers.feed_forward import FeedForward
from ssmi.model.network.layers.lexicon.boundary import BoundaryEmbedding
from ssmi.model.network.layers.lexicon.boundary_adapter import BoundaryAdapter
from ssmi.model.network.layers.lexicon.fusion import Fusion
from ssmi.model.network.layers.lexicon.lexicon_adapter import LexiconAdapter
from ssmi.model.network.layers.lexicon.mutual_information import MutualInformationScorer
from ssmi.model.network.layers.lexicon.softlexicon import SoftLexicon
from ssmi.model.network.layers.norm import AdaptiveNorm
from ssmi.model.network.layers.spans.head import SpanHead
from ssmi.model.network.layers.spans.scorer import SpanScorer
from ssmi.model.network.network import Network
from ssmi.model.network.requirements import required_features
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
    word_counts: Tensor | None = None,
    longest_entity: int | None = None,
) -> Network:
    """Assemble a network. Its new parts are initialised from torch's global random generator, in a fixed order.

    Args:
        params: The parameters that select the parts and their widths.
        labels: The label set with the network's tags.
        boundaries: The initial vectors of the boundary embedding.
        encoder: The loaded encoder, required for ``encoder: finetune``; its upper layers, required for ``upper``.
        hidden_width: Width of the stored states; required for ``encoder: frozen``.
        n_tokens: Size of the vocabulary of token ids; read for ``encoder: none``.
        word_counts: Matches of each word in train (``Matches.counts``); required for ``lexicon: softlexicon``.
        longest_entity: Characters of the longest entity in train, which no scored span exceeds; required for
            ``head: span``.

    Returns:
        The network, on the CPU.

    Raises:
        MissingResourceError: The encoder or the width of the stored states is required but None.
        ParameterError: The encoder has fewer layers than ``fusion_layer`` or ``lexicon_layer``.

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
    return _assemble(
        params,
        widths,
        encoder=tuned,
        boundary=boundary,
        word_counts=word_counts,
        longest_entity=longest_entity,
        n_tokens=n_tokens,
        labels=labels,
    )


def _assemble(
    params: ModelParams,
    widths: Widths,
    *,
    encoder: Encoder | None,
    boundary: BoundaryEmbedding | None,
    word_counts: Tensor | None,
    longest_entity: int | None,
    n_tokens: int,
    labels: LabelSet,
) -> Network:
    """Create the parts, in the order in which a batch passes through them."""
    # Each part draws its weights when created, so the order of these lines decides which network a seed gives.
    return Network(
        params=params,
        encoder=encoder,
        characters=nn.Embedding(n_tokens, widths.encoder) if params.encoder == "none" else None,
        boundary=boundary,
        fusion=_fusion(params, widths),
        boundary_adapter=_boundary_adapter(params, widths, encoder=encoder),
        can=_can(params, widths),
        lexicon=_lexicon(params, widths, encoder=encoder, word_counts=word_counts),
        mlp1=FeedForward(inputs=widths.local, outputs=widths.after_mlp1) if params.mlp1 else None,
        gru=_recurrent(params, widths),
        norm=AdaptiveNorm(width=widths.enhanced) if params.layer_norm else None,
        information=_information(params, widths),
        mlp2=FeedForward(inputs=widths.global_, outputs=widths.after_mlp2) if params.mlp2 else None,
        biaffine=_biaffine(params, widths),
        tags=nn.Linear(widths.tagged, len(labels.tags)) if params.head == "crf" else None,
        crf=ConstrainedCrf(labels) if params.head == "crf" else None,
        span=_span(params, widths, labels=labels, longest_entity=longest_entity),
    )


def _state_width(params: ModelParams, *, encoder: Encoder | None, hidden_width: int | None) -> int:
    """Return the width of O_B."""
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
    if not required_features(params).boundaries:
        return None
    return BoundaryEmbedding(torch.from_numpy(boundaries.vectors), trainable=params.train_boundaries)


def _fusion(params: ModelParams, widths: Widths) -> Fusion | None:
    if params.fusion not in ("input", "output"):
        return None
    width = widths.inputs if params.fusion == "input" else widths.encoder
    return Fusion(width=width, boundary_width=widths.boundary, **_beside_boundary(params))


def _boundary_adapter(params: ModelParams, widths: Widths, *, encoder: Encoder | None) -> BoundaryAdapter | None:
    if params.fusion != "layer" or encoder is None:
        return None
    encoder.adapt_after(params.fusion_layer, parameter="model.fusion_layer")
    return BoundaryAdapter(width=widths.encoder, boundary_width=widths.boundary, **_beside_boundary(params))


def _beside_boundary(params: ModelParams) -> dict[str, int]:
    """Return the sizes of the embeddings that are added where the best boundary is."""
    return {
        "n_segment_positions": len(SEGMENT_POSITIONS) if params.segment_positions else 0,
        "n_boundary_roles": len(BOUNDARY_ROLES) if params.boundary_roles else 0,
    }


def _can(params: ModelParams, widths: Widths) -> ConvolutionalAttention | None:
    if not params.can:
        return None
    return ConvolutionalAttention(width=widths.encoder, window=params.can_window, attention_width=widths.encoder // 4)


def _lexicon(
    params: ModelParams, widths: Widths, *, encoder: Encoder | None, word_counts: Tensor | None
) -> SoftLexicon | LexiconAdapter | None:
    if params.lexicon == "softlexicon":
        assert word_counts is not None
        return SoftLexicon(word_counts)
    if params.lexicon == "lebert":
        assert encoder is not None
        encoder.adapt_after(params.lexicon_layer, parameter="model.lexicon_layer")
        return LexiconAdapter(width=encoder.width, boundary_width=widths.boundary, dropout=params.dropout)
    return None


def _recurrent(params: ModelParams, widths: Widths) -> BiGRU | BiLSTM | None:
    if not params.gru:
        return None
    if params.recurrent_cell == "lstm":
        return BiLSTM(inputs=widths.after_mlp1, outputs=widths.enhanced, dropout=params.dropout)
    return BiGRU(inputs=widths.after_mlp1, outputs=widths.enhanced)


def _information(params: ModelParams, widths: Widths) -> MutualInformationScorer | None:
    if params.gmi == "none":
        return None
    bounded = params.gmi != "infonce-batch"
    return MutualInformationScorer(sentence_width=widths.encoder, boundary_width=widths.boundary, bounded=bounded)


def _biaffine(params: ModelParams, widths: Widths) -> Biaffine | None:
    if not params.biaffine:
        return None
    return Biaffine(left=widths.enhanced, right=widths.encoder, outputs=params.biaffine_width)


def _span(params: ModelParams, widths: Widths, *, labels: LabelSet, longest_entity: int | None) -> SpanHead | None:
    if params.head != "span":
        return None
    assert longest_entity is not None
    scorer = SpanScorer(
        inputs=widths.tagged,
        width=params.span_width,
        n_types=len(labels.entity_types),
        longest=longest_entity,
        dropout=params.dropout,
    )
    return SpanHead(labels, scorer=scorer, smoothing=params.span_smoothing, distance=params.span_smoothing_distance)

"""The SSMI network and every part of it that can be left out. Assembly only; the parts are in ``layers``.

A batch goes through (method: "Model Architecture" of the paper; every line but the first and the last is a switch)::

    O_B, e_s = encoder(P[E_c ⊕ E_Sm ⊕ e_p])   encoder, fusion: input, segment_positions
    H1  = CAN(O_B)                            can; fusion: output: CAN(P[O_B ⊕ E_Sm ⊕ e_p])
    H2  = GRU(MLP1(H1 ⊕ E_l))                 lmi, mlp1, gru
    H2' = LN(H2)                              layer_norm
    H3  = MLP2(H2' ⊕ E_g) ⊕ Biaffine(H2', O_B)  gmi, mlp2, biaffine
    tags = CRF(linear(H3))

A part that is off is an identity; the biaffine, a second view beside the first, then adds nothing. With all of them off
this is ``bert-crf``. Tensors: batch × length × width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ssmi.model.data.batches import Batch
from ssmi.model.data.boundaries import BoundaryTable
from ssmi.model.data.segment_positions import SEGMENT_POSITIONS
from ssmi.model.data.shards import RequiredFeatures, Shards
from ssmi.model.network.encoder import Encoded, Encoder, UpperLayers
from ssmi.model.network.layers.biaffine import Biaffine
from ssmi.model.network.layers.bigru import BiGRU
from ssmi.model.network.layers.boundary import BoundaryEmbedding
from ssmi.model.network.layers.can import ConvolutionalAttention
from ssmi.model.network.layers.crf import ConstrainedCrf
from ssmi.model.network.layers.feed_forward import FeedForward
from ssmi.model.network.layers.fusion import Fusion
from ssmi.model.network.layers.mutual_information import MutualInformationScorer, contrastive_loss, weighted_mean
from ssmi.model.network.layers.norm import AdaptiveNorm
from ssmi.model.network.layers.pooling import masked_mean
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError, StaleArtifactError
from ssmi.pipeline.contract.labels import LabelSet
from ssmi.pipeline.contract.parameters.params import ModelParams
from ssmi.pipeline.contract.statistics import ShardsStatistics


@dataclass(frozen=True, slots=True)
class _Output:
    """What the CRF and the loss read.

    emissions: a score for each tag, float32. Shape: (batch, length, n_tags)
    global_losses: Shape: (batch,); None without global enhancement, and where no loss is wanted.
    """

    emissions: Tensor
    global_losses: Tensor | None


@dataclass(frozen=True, slots=True)
class _Embedded:
    """E_b of a batch's boundaries, where the network reads them.

    best, local: Shape: (batch, length, boundary_width)
    sets, negatives: Shape: (batch, length, size, boundary_width)
    set_mask, negative_mask: bool, True where there is one. Shape: (batch, length, size)
    """

    best: Tensor | None = None
    local: Tensor | None = None
    sets: Tensor | None = None
    set_mask: Tensor | None = None
    negatives: Tensor | None = None
    negative_mask: Tensor | None = None


_MASKS = {"set_mask": "sets", "negative_mask": "negatives"}


class Network(nn.Module):
    """The parts, already built, in the order in which a batch goes through them; None leaves one out.

    Without an encoder the states come from ``characters``, which are learned embeddings, or, without those too, from
    the batch, which then brings the frozen encoder's.
    """

    def __init__(
        self,
        *,
        params: ModelParams,
        encoder: Encoder | None,
        characters: nn.Embedding | None,
        boundary: BoundaryEmbedding | None,
        fusion: Fusion | None,
        can: ConvolutionalAttention | None,
        mlp1: FeedForward | None,
        gru: BiGRU | None,
        norm: AdaptiveNorm | None,
        information: MutualInformationScorer | None,
        mlp2: FeedForward | None,
        biaffine: Biaffine | None,
        tags: nn.Linear,
        crf: ConstrainedCrf,
    ) -> None:
        super().__init__()
        self.params = params
        self.encoder = encoder
        self.characters = characters
        self.boundary = boundary
        self.fusion = fusion
        self.can = can
        self.mlp1 = mlp1
        self.gru = gru
        self.norm = norm
        self.information = information
        self.mlp2 = mlp2
        self.biaffine = biaffine
        self.dropout = nn.Dropout(params.dropout)
        self.tags = tags
        self.crf = crf

    def forward(self, batch: Batch) -> Tensor:
        """The losses that training minimises.

        Args:
            batch: On the network's device.

        Returns:
            The negative log-likelihood of each sentence's tags + λ · its global loss. Shape: (batch,)

        """
        output = self._run(batch, with_losses=True)
        losses: Tensor = self.crf(output.emissions, batch.tag_ids, mask=batch.mask)
        if output.global_losses is not None:
            losses = losses + self.params.gmi_weight * output.global_losses
        return losses

    def emissions(self, batch: Batch) -> Tensor:
        """The scores that the CRF decodes.

        Args:
            batch: On the network's device.

        Returns:
            A score for each tag, in float32 even under autocast. Shape: (batch, length, n_tags)

        """
        return self._run(batch, with_losses=False).emissions

    def encode(self, batch: Batch) -> Encoded:
        """O_B and the sentence vectors alone."""
        return self._encode(batch, self._embed(batch, negatives=False))

    def _run(self, batch: Batch, *, with_losses: bool) -> _Output:
        embedded = self._embed(batch, negatives=with_losses)
        encoded = self._encode(batch, embedded)
        enhanced = self._enhance_locally(encoded.states, batch, embedded)
        states, global_losses = self._enhance_globally(enhanced, encoded.sentences, embedded)
        if self.mlp2 is not None:
            states = self.mlp2(states)
        if self.biaffine is not None:
            states = torch.cat((states, self.biaffine(enhanced, encoded.states)), dim=-1)
        states = self.dropout(states)
        # The CRF sums emissions over a whole sentence: in bfloat16 what tells two paths apart would be rounded away.
        with torch.autocast(device_type=states.device.type, enabled=False):
            return _Output(self.tags(states.float()), global_losses)

    def _encode(self, batch: Batch, embedded: _Embedded) -> Encoded:
        """O_B and the sentence vectors."""
        if self.encoder is not None:
            inputs = None
            if self.params.fusion == "input":
                inputs = self._fuse(self.encoder.entering(batch), batch, embedded)
            return Encoded(*self.encoder(batch, inputs=inputs))
        states = batch.hidden if self.characters is None else self.characters(batch.token_ids)
        assert states is not None
        if self.params.fusion == "input":
            states = self._fuse(states, batch, embedded)
        return Encoded(states, masked_mean(states, batch.mask))

    def _enhance_locally(self, states: Tensor, batch: Batch, embedded: _Embedded) -> Tensor:
        """H2', from O_B."""
        if self.params.fusion == "output":
            states = self._fuse(states, batch, embedded)
        if self.can is not None:
            states = self.can(states, batch.mask)
        if embedded.local is not None:
            states = torch.cat((states, embedded.local), dim=-1)
        if self.mlp1 is not None:
            states = self.dropout(self.mlp1(states))
        if self.gru is not None:
            states = self.gru(states, batch.mask)
        return states if self.norm is None else self.norm(states)

    def _enhance_globally(self, states: Tensor, sentences: Tensor, embedded: _Embedded) -> tuple[Tensor, Tensor | None]:
        """H2' ⊕ E_g, and the global losses where the negatives are embedded."""
        if self.information is None or self.params.gmi == "none":
            return states, None
        assert embedded.sets is not None and embedded.set_mask is not None
        scores = self.information(sentences, embedded.sets)
        states = torch.cat((states, weighted_mean(scores, embedded.sets, mask=embedded.set_mask)), dim=-1)
        if embedded.negatives is None or embedded.negative_mask is None:
            return states, None
        return states, contrastive_loss(
            scores,
            self.information(sentences, embedded.negatives),
            mask=embedded.set_mask,
            negative_mask=embedded.negative_mask,
            kind=self.params.gmi,
        )

    def _fuse(self, characters: Tensor, batch: Batch, embedded: _Embedded) -> Tensor:
        assert self.fusion is not None and embedded.best is not None
        fused: Tensor = self.fusion(characters, embedded.best, batch.segment_positions)
        return fused

    def _embed(self, batch: Batch, *, negatives: bool) -> _Embedded:
        if self.boundary is None:
            return _Embedded()
        reads = wanted(self.params)
        rows = {
            "best": batch.best_rows if reads.best else None,
            "local": batch.local_rows if reads.local else None,
            "sets": batch.set_rows if reads.sets else None,
            # Only the loss reads them, and they are about half of all rows: without it they are not looked up.
            "negatives": batch.negative_rows if reads.sets and negatives else None,
        }
        read = {name: tensor for name, tensor in rows.items() if tensor is not None}
        if self.training and self.params.boundary_dropout:
            # Drawn once a character: best, local and set hint at the same word, and one left over would give it away.
            kept = torch.rand(batch.mask.shape, device=batch.mask.device) >= self.params.boundary_dropout
            read = {name: tensor * kept.view(*kept.shape, *[1] * (tensor.ndim - 2)) for name, tensor in read.items()}
        vectors = dict(zip(read, self.boundary(list(read.values())), strict=True))
        masks = {mask: read[name] > 0 for mask, name in _MASKS.items() if name in read}
        return _Embedded(**vectors, **masks)

    @property
    def n_parameters(self) -> int:
        """The number of parameters (scalars), trained or not."""
        return sum(parameter.numel() for parameter in self.parameters())


def wanted(params: ModelParams) -> RequiredFeatures:
    """The features that a network of these parameters reads of the shards."""
    return RequiredFeatures(
        best=params.fusion != "none",
        local=params.lmi,
        sets=params.gmi != "none",
        segment_positions=params.fusion != "none" and params.segment_positions,
        hidden=params.encoder in ("frozen", "upper"),
        special_states=params.encoder == "upper",
    )


def layers_below(params: ModelParams, shards: ShardsStatistics) -> int:
    """How many of the encoder's first layers are not in the network, because the shards hold their states."""
    return shards.hidden_layers or 0 if params.encoder == "upper" else 0


def check_parameters(params: ModelParams) -> None:
    """Refuse switches that exclude each other; needs no shards.

    Raises:
        ParameterError: Frozen states with fusion ``input``, or layers of an encoder that is not run.

    """
    if not params.trains_encoder and params.encoder_layers is not None:
        raise ParameterError(
            f"model.encoder_layers: {params.encoder_layers}, but model.encoder: {params.encoder} runs no encoder",
            next_step="-S model.encoder_layers=null, or -S model.encoder=finetune",
        )
    if params.encoder == "frozen" and params.fusion == "input":
        raise ParameterError(
            "model.fusion: input changes what BERT reads, but model.encoder: frozen never runs it",
            next_step="-S model.fusion=output (or none), or -S model.encoder=finetune",
        )


def check_buildable(params: ModelParams, shards: Shards) -> None:
    """Refuse what cannot be built, before anything heavy is loaded.

    Raises:
        ParameterError: As ``check_parameters``.
        StaleArtifactError: The shards lack the hidden states that are read.

    """
    check_parameters(params)
    if wanted(params).hidden and shards.statistics.hidden_width is None:
        raise StaleArtifactError(
            f"{shards.folder}: no hidden states, which model.encoder: {params.encoder} reads",
            next_step="build them with -S shards.hidden=true, or train with -S model.encoder=finetune",
        )


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
        encoder: The loaded encoder; needed for ``encoder: finetune``, and of the upper layers for ``upper``.
        hidden_width: Of the stored states; needed for ``encoder: frozen``.
        n_tokens: Size of the vocabulary of token ids; read for ``encoder: none``.

    Returns:
        The network, on the CPU.

    Raises:
        MissingResourceError: The encoder or the width of its states is needed and None.

    """
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
    boundary = None
    if wanted(params).boundaries:
        boundary = BoundaryEmbedding(torch.from_numpy(boundaries.vectors), trainable=params.train_boundaries)
    sizes = _Widths.of(
        params,
        encoder=width,
        inputs=encoder.input_width if encoder is not None and params.trains_encoder else width,
        boundary=boundary.width if boundary is not None else 0,
    )
    # Parts draw their weights in the order of these lines: in another order the same seed gives other losses.
    return Network(
        params=params,
        encoder=encoder if params.trains_encoder else None,
        characters=nn.Embedding(n_tokens, width) if params.encoder == "none" else None,
        boundary=boundary,
        fusion=_fusion(params, sizes),
        can=ConvolutionalAttention(width=width, window=params.can_window, attention_width=width // 4)
        if params.can
        else None,
        mlp1=FeedForward(inputs=sizes.local, outputs=sizes.after_mlp1) if params.mlp1 else None,
        gru=BiGRU(inputs=sizes.after_mlp1, outputs=sizes.enhanced) if params.gru else None,
        norm=AdaptiveNorm(width=sizes.enhanced) if params.layer_norm else None,
        information=MutualInformationScorer(sentence_width=width, boundary_width=sizes.boundary)
        if params.gmi != "none"
        else None,
        mlp2=FeedForward(inputs=sizes.global_, outputs=sizes.after_mlp2) if params.mlp2 else None,
        biaffine=Biaffine(left=sizes.enhanced, right=width, outputs=params.biaffine_width) if params.biaffine else None,
        tags=nn.Linear(sizes.tagged, len(labels.tags)),
        crf=ConstrainedCrf(labels),
    )


@dataclass(frozen=True, slots=True)
class _Widths:
    """The width of a state after each part of the network."""

    encoder: int
    inputs: int
    """Width of E_c; an encoder may map it to a wider state."""
    boundary: int
    local: int
    """Width of H1 ⊕ E_l."""
    after_mlp1: int
    enhanced: int
    """Width of H2 and H2'."""
    global_: int
    """Width of H2' ⊕ E_g."""
    after_mlp2: int
    tagged: int
    """Width of H3."""

    @classmethod
    def of(cls, params: ModelParams, *, encoder: int, inputs: int, boundary: int) -> _Widths:
        """Those of a network with an encoder, its input and boundary embeddings of these widths."""
        local = encoder + (boundary if params.lmi else 0)
        after_mlp1 = params.hidden_width if params.mlp1 else local
        enhanced = params.hidden_width if params.gru else after_mlp1
        global_ = enhanced + (boundary if params.gmi != "none" else 0)
        after_mlp2 = params.hidden_width if params.mlp2 else global_
        tagged = after_mlp2 + (params.biaffine_width if params.biaffine else 0)
        return cls(encoder, inputs, boundary, local, after_mlp1, enhanced, global_, after_mlp2, tagged)


def _fusion(params: ModelParams, widths: _Widths) -> Fusion | None:
    if params.fusion == "none":
        return None
    n_segment_positions = len(SEGMENT_POSITIONS) if params.segment_positions else 0
    width = widths.inputs if params.fusion == "input" else widths.encoder
    return Fusion(width=width, boundary_width=widths.boundary, n_segment_positions=n_segment_positions)


def check_encoder(encoder: Encoder, shards: Shards, *, largest_token_id: int) -> None:
    """Refuse an encoder whose vocabulary or positions cannot be those that the shards were built with."""
    problem = ""
    if largest_token_id >= encoder.vocabulary_size:
        problem = f"token id {largest_token_id}, but the encoder knows {encoder.vocabulary_size}"
    elif shards.statistics.max_window > encoder.max_window:
        problem = f"windows of {shards.statistics.max_window} characters, but the encoder takes {encoder.max_window}"
    elif (norm := encoder.last_norm) and isinstance(encoder, UpperLayers) and shards.statistics.hidden_norm:
        raise StaleArtifactError(
            f"{shards.folder}: its states have gone through {norm}, which belongs behind the last layer only",
            next_step="build them as the next layer reads them: -S shards.hidden_norm=false",
        )
    if problem:
        raise StaleArtifactError(
            f"{shards.folder}: {problem}", next_step="build the shards with the encoder that you train"
        )

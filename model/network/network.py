"""The SSMI network: how a batch passes through its parts, which are in ``layers`` and assembled by ``build``.

A batch passes through these lines ("Model Architecture" of the paper; all but the first and the last can be off)::

    O_B, e_s = encoder(P[E_c ⊕ E_Sm ⊕ e_p])   encoder, fusion: input, segment_positions
                                              boundary_roles (e_r beside e_p), cosine_gate (of E_Sm)
                                              fusion: layer, fusion_layer: inside the encoder
    H1  = CAN(O_B)                            can; fusion: output: CAN(P[O_B ⊕ E_Sm ⊕ e_p])
    H2  = GRU(MLP1(H1 ⊕ E_l))                 lmi, mlp1, gru
    H2' = LN(H2)                              layer_norm
    H3  = MLP2(H2' ⊕ E_g) ⊕ Biaffine(H2', O_B)  gmi, mlp2, biaffine
    tags = CRF(linear(H3))                    head: crf; with head: span entities = spans by their scores(H3)

A part that is off is the identity; the biaffine, which is concatenated, adds nothing when off. With all parts off this
is ``bert-crf``. Two more parts belong to the peers (``docs/method/peers.md``): ``lexicon: lebert`` adds words between
layers of the encoder, and ``softlexicon`` concatenates word sets with H1. Tensors are batch × length × width.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from ssmi.model.data.batches import Batch
from ssmi.model.network.adapting import Adapter
from ssmi.model.network.boundary_vectors import BoundaryVectors, look_up
from ssmi.model.network.cells import Encoded
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
from ssmi.model.network.layers.lexicon.mutual_information import (
    MutualInformationScorer,
    batch_contrastive_loss,
    contrastive_loss,
    weighted_mean,
)
from ssmi.model.network.layers.lexicon.softlexicon import SoftLexicon
from ssmi.model.network.layers.norm import AdaptiveNorm
from ssmi.model.network.layers.pooling import masked_mean
from ssmi.model.network.layers.spans.head import SpanHead
from ssmi.pipeline.contract.parameters.params import ModelParams


@dataclass(frozen=True, slots=True)
class _Output:
    """The input of the head and the loss.

    Attributes:
        states: H3 after dropout. Shape: (batch, length, width)
        global_losses: The global losses; None without global enhancement or if no loss is requested. Shape: (batch,)

    """

    states: Tensor
    global_losses: Tensor | None


class Network(nn.Module):
    """The network, made of parts in the order in which a batch passes through them; a part that is None is off.

    Without an encoder the states come from the learned embeddings ``characters``, or, without those, from the batch,
    which then holds the frozen encoder's states. The head is ``tags`` with ``crf``, or ``span`` alone.
    """

    def __init__(
        self,
        *,
        params: ModelParams,
        encoder: Encoder | None,
        characters: nn.Embedding | None,
        boundary: BoundaryEmbedding | None,
        fusion: Fusion | None,
        boundary_adapter: BoundaryAdapter | None,
        can: ConvolutionalAttention | None,
        lexicon: SoftLexicon | LexiconAdapter | None,
        mlp1: FeedForward | None,
        gru: BiGRU | BiLSTM | None,
        norm: AdaptiveNorm | None,
        information: MutualInformationScorer | None,
        mlp2: FeedForward | None,
        biaffine: Biaffine | None,
        tags: nn.Linear | None,
        crf: ConstrainedCrf | None,
        span: SpanHead | None,
    ) -> None:
        super().__init__()
        self.params = params
        self.encoder = encoder
        self.characters = characters
        self.boundary = boundary
        self.fusion = fusion
        self.boundary_adapter = boundary_adapter
        self.can = can
        self.lexicon = lexicon
        self.mlp1 = mlp1
        self.gru = gru
        self.norm = norm
        self.information = information
        self.mlp2 = mlp2
        self.biaffine = biaffine
        self.dropout = nn.Dropout(params.dropout)
        self.tags = tags
        self.crf = crf
        self.span = span

    def forward(self, batch: Batch) -> Tensor:
        """Compute the losses that training minimises.

        Args:
            batch: The batch, on the network's device.

        Returns:
            The head's loss of each sentence (with a CRF the negative log-likelihood of its tags) + λ · its global loss.
            Shape: (batch,)

        """
        output = self._run(batch, with_losses=True)
        losses: Tensor
        if self.span is not None:
            losses = self.span(self._score_spans(output.states), batch.tag_ids, mask=batch.mask)
        else:
            assert self.crf is not None
            losses = self.crf(self._emit(output.states), batch.tag_ids, mask=batch.mask)
        if output.global_losses is not None:
            losses = losses + self.params.gmi_weight * output.global_losses
        return losses

    def emissions(self, batch: Batch) -> Tensor:
        """Compute the scores that the CRF decodes.

        Args:
            batch: The batch, on the network's device.

        Returns:
            A score for each tag, in float32 even under autocast. Shape: (batch, length, n_tags)

        """
        return self._emit(self._run(batch, with_losses=False).states)

    def span_scores(self, batch: Batch) -> Tensor:
        """Compute the scores that the span head decodes.

        Args:
            batch: The batch, on the network's device.

        Returns:
            A score for each type of each span, as ``SpanHead.scores`` returns them, in float32 even under autocast.

        """
        return self._score_spans(self._run(batch, with_losses=False).states)

    def encode(self, batch: Batch) -> Encoded:
        """Return O_B and the sentence vectors, without running the other parts."""
        return self._encode(batch, self._look_up(batch, negatives=False))

    def _run(self, batch: Batch, *, with_losses: bool) -> _Output:
        boundaries = self._look_up(batch, negatives=with_losses)
        encoded = self._encode(batch, boundaries)
        enhanced = self._enhance_locally(encoded.states, batch, boundaries)
        states, global_losses = self._enhance_globally(enhanced, encoded.sentences, boundaries, with_losses=with_losses)
        if self.mlp2 is not None:
            states = self.mlp2(states)
        if self.biaffine is not None:
            states = torch.cat((states, self.biaffine(enhanced, encoded.states)), dim=-1)
        return _Output(self.dropout(states), global_losses)

    def _emit(self, states: Tensor) -> Tensor:
        assert self.tags is not None
        # The CRF sums emissions over a whole sentence; in bfloat16 the differences between paths would be rounded away.
        with torch.autocast(device_type=states.device.type, enabled=False):
            emissions: Tensor = self.tags(states.float())
        return emissions

    def _score_spans(self, states: Tensor) -> Tensor:
        assert self.span is not None
        # In float32 like emissions, because small differences decide between overlapping spans.
        with torch.autocast(device_type=states.device.type, enabled=False):
            return self.span.scores(states.float())

    def _encode(self, batch: Batch, boundaries: BoundaryVectors) -> Encoded:
        """Return O_B and the sentence vectors."""
        if self.encoder is None:
            return self._encoded_already(batch, boundaries)
        inputs = None
        if self.params.fusion == "input":
            inputs = self._fuse(self.encoder.fusion_inputs(batch), batch, boundaries)
        return Encoded(*self.encoder(batch, inputs=inputs, adapter=self._adapter(batch, boundaries)))

    def _adapter(self, batch: Batch, boundaries: BoundaryVectors) -> Adapter | None:
        """Return the adapter that adds boundaries or words to the states between two encoder layers."""
        if self.boundary_adapter is not None:
            assert boundaries.best is not None
            places, roles = batch.segment_positions, boundaries.roles
            added = batch.windows.cells(self.boundary_adapter(boundaries.best, places, roles))
            # `added` is float32, while the states may be bfloat16 under autocast.
            return lambda states: states + added.to(states.dtype)
        if not isinstance(self.lexicon, LexiconAdapter):
            return None
        assert boundaries.word_index is not None and boundaries.word_rows is not None
        index = batch.windows.cells(boundaries.word_index)
        mask = batch.windows.cells(boundaries.word_rows > 0)
        return partial(self.lexicon, words=boundaries.words, index=index, mask=mask)

    def _encoded_already(self, batch: Batch, boundaries: BoundaryVectors) -> Encoded:
        """Return O_B without running an encoder: stored states or character embeddings."""
        states = batch.hidden if self.characters is None else self.characters(batch.token_ids)
        assert states is not None
        if self.params.fusion == "input":
            states = self._fuse(states, batch, boundaries)
        return Encoded(states, masked_mean(states, batch.mask))

    def _enhance_locally(self, states: Tensor, batch: Batch, boundaries: BoundaryVectors) -> Tensor:
        """Compute H2' from O_B."""
        if self.params.fusion == "output":
            states = self._fuse(states, batch, boundaries)
        if self.can is not None:
            states = self.can(states, batch.mask)
        if isinstance(self.lexicon, SoftLexicon):
            assert boundaries.words is not None and boundaries.word_index is not None
            words = functional.embedding(boundaries.word_index, boundaries.words)
            states = torch.cat((states, self.lexicon(words, boundaries.word_rows, batch.word_roles)), dim=-1)
        if boundaries.local is not None:
            states = torch.cat((states, boundaries.local), dim=-1)
        if self.mlp1 is not None:
            states = self.dropout(self.mlp1(states))
        if self.gru is not None:
            states = self.gru(states, batch.mask)
        return states if self.norm is None else self.norm(states)

    def _enhance_globally(
        self, states: Tensor, sentences: Tensor, boundaries: BoundaryVectors, *, with_losses: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Compute H2' ⊕ E_g, and the global losses if requested."""
        if self.information is None or self.params.gmi == "none":
            return states, None
        assert boundaries.sets is not None and boundaries.set_rows is not None
        mask = boundaries.set_rows > 0
        scores = self.information(sentences, boundaries.sets)
        weighted = weighted_mean(scores, boundaries.sets, mask=mask, bounded=self.information.bounded)
        states = torch.cat((states, weighted), dim=-1)
        if not with_losses:
            return states, None
        if self.params.gmi == "infonce-batch":
            all_scores = self.information.score_all(sentences, boundaries.sets)
            return states, batch_contrastive_loss(scores, all_scores, rows=boundaries.set_rows)
        assert boundaries.negatives is not None and boundaries.negative_mask is not None
        negative_scores = self.information(sentences, boundaries.negatives)
        return states, contrastive_loss(
            scores, negative_scores, mask=mask, negative_mask=boundaries.negative_mask, kind=self.params.gmi
        )

    def _fuse(self, characters: Tensor, batch: Batch, boundaries: BoundaryVectors) -> Tensor:
        assert self.fusion is not None and boundaries.best is not None
        fused: Tensor = self.fusion(characters, boundaries.best, batch.segment_positions, boundaries.roles)
        return fused

    def _look_up(self, batch: Batch, *, negatives: bool) -> BoundaryVectors:
        return look_up(self.boundary, batch, params=self.params, negatives=negatives, training=self.training)

    @property
    def device(self) -> torch.device:
        """The device of the parameters."""
        return next(self.parameters()).device

    @property
    def n_parameters(self) -> int:
        """The number of parameters (scalars), trained or not."""
        return sum(parameter.numel() for parameter in self.parameters())

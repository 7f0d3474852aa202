"""``bert-crf``: characters → encoder (with the best boundary, where fusion says) → linear → CRF. Assembly only.

Tensors: batch × length × width, where width is the encoder's, and n_tags at the end.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model.batches import Batch
from model.boundaries import BoundaryTable
from model.data import Shards
from model.encoder import Encoder
from model.layers.boundary import BoundaryEmbedding
from model.layers.crf import ConstrainedCrf
from model.layers.fusion import Fusion
from pipeline.contract.errors import MissingResourceError, ParameterError, StaleArtifactError
from pipeline.contract.labels import LabelSet
from pipeline.contract.params import ModelParams


class Network(nn.Module):
    """Parts, already built, in their order.

    encoder: None takes the states that the batches bring.
    boundary, fusion: both or neither.
    fuse_input: whether fusion sits before the encoder or behind it.
    """

    def __init__(
        self,
        *,
        encoder: Encoder | None,
        boundary: BoundaryEmbedding | None,
        fusion: Fusion | None,
        fuse_input: bool,
        dropout: float,
        tags: nn.Linear,
        crf: ConstrainedCrf,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.boundary = boundary
        self.fusion = fusion
        self.fuse_input = fuse_input
        self.dropout = nn.Dropout(dropout)
        self.tags = tags
        self.crf = crf

    def forward(self, batch: Batch) -> Tensor:
        """Negative log-likelihood of each sentence's tags. Shape: (batch,)."""
        losses: Tensor = self.crf(self.emissions(batch), batch.tag_ids, mask=batch.mask)
        return losses

    def decode(self, batch: Batch) -> list[list[int]]:
        """The best tag ids of each sentence, without padding."""
        return self.crf.decode(self.emissions(batch), mask=batch.mask)

    def emissions(self, batch: Batch) -> Tensor:
        """A score for each tag, in float32 even under autocast. Shape: (batch, length, n_tags)."""
        states = self.dropout(self.states(batch))
        with torch.autocast(device_type=states.device.type, enabled=False):
            scores: Tensor = self.tags(states.float())
        return scores

    def states(self, batch: Batch) -> Tensor:
        """O_B, with the boundaries where they are fused behind the encoder. Shape: (batch, length, width)."""
        if self.encoder is None:
            assert batch.hidden is not None
            states = batch.hidden
        elif self.fusion is not None and self.fuse_input:
            states = self.encoder(batch, inputs=self._fuse(self.encoder.embed(batch.token_ids), batch))
        else:
            states = self.encoder(batch)
        return states if self.fusion is None or self.fuse_input else self._fuse(states, batch)

    def _fuse(self, characters: Tensor, batch: Batch) -> Tensor:
        assert self.boundary is not None and self.fusion is not None
        fused: Tensor = self.fusion(characters, self.boundary(batch.best_rows))
        return fused

    @property
    def n_parameters(self) -> int:
        """How many numbers it is made of, trained or not."""
        return sum(parameter.numel() for parameter in self.parameters())


def check_buildable(params: ModelParams, shards: Shards) -> None:
    """Refuse what cannot be built, before anything heavy is loaded.

    Raises ParameterError for frozen states with fusion ``input``, StaleArtifactError for shards without states.
    """
    if params.encoder != "frozen":
        return
    if params.fusion == "input":
        raise ParameterError(
            "model.fusion: input changes what BERT reads, but model.encoder: frozen never runs it",
            next_step="-S model.fusion=output (or none), or -S model.encoder=finetune",
        )
    if shards.hidden_width is None:
        raise StaleArtifactError(
            f"{shards.folder}: no hidden states, which model.encoder: frozen reads",
            next_step="build them with -S shards.hidden=true, or train with -S model.encoder=finetune",
        )


def build(
    params: ModelParams,
    *,
    labels: LabelSet,
    boundaries: BoundaryTable,
    encoder: Encoder | None,
    hidden_width: int | None,
) -> Network:
    """Assemble; new parts are initialised from torch's global generator.

    encoder: needed for ``finetune``; hidden_width: for ``frozen``. Raises MissingResourceError without.
    """
    if params.encoder == "frozen":
        encoder, width = None, hidden_width
    else:
        width = encoder.width if encoder is not None else None
    if width is None:
        raise MissingResourceError(
            f"model.encoder: {params.encoder} without its encoder", next_step="name one with -S encoder.name=FOLDER"
        )
    boundary = fusion = None
    if params.fusion != "none":
        boundary = BoundaryEmbedding(
            torch.from_numpy(boundaries.vectors), trainable=params.train_boundaries, dropout=params.boundary_dropout
        )
        fusion = Fusion(width=width, boundary_width=boundary.width)
    return Network(
        encoder=encoder,
        boundary=boundary,
        fusion=fusion,
        fuse_input=params.fusion == "input",
        dropout=params.dropout,
        tags=nn.Linear(width, len(labels.tags)),
        crf=ConstrainedCrf(labels),
    )


def check_encoder(encoder: Encoder, shards: Shards, *, largest_token_id: int) -> None:
    """Refuse an encoder whose vocabulary or positions cannot be those that the shards were built with."""
    problem = ""
    if largest_token_id >= encoder.vocabulary_size:
        problem = f"token id {largest_token_id}, but the encoder knows {encoder.vocabulary_size}"
    elif shards.max_window > encoder.max_window:
        problem = f"windows of {shards.max_window} characters, but the encoder takes {encoder.max_window}"
    if problem:
        raise StaleArtifactError(
            f"{shards.folder}: {problem}", next_step="build the shards with the encoder that you train"
        )

"""The record of how an encoder was adapted, and the writing of the adapted encoder's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ssmi.model.adaptation.head import PREFIX, MaskedHead
from ssmi.model.network.encoder import Encoder
from ssmi.model.runs import json_files, weights
from ssmi.model.runs.json_files import JsonBody
from ssmi.pipeline.contract.storage.replacing import replacing_folder

RECORD = "adaptation.json"
REVISION = 1
"""Incremented whenever the same text, encoder and settings give a different encoder."""
_WEIGHTS = "model.safetensors"


class HeldOut(JsonBody):
    """How well the masked characters of the held-out sentences are predicted."""

    loss: float
    """Mean cross-entropy per character, in nats."""
    accuracy: float
    """Share of characters whose top-scoring token is right, from 0 to 1."""


class AdaptedEpoch(JsonBody):
    """The measurements of one epoch."""

    loss: float
    """Mean cross-entropy per chosen character of training, in nats."""
    held_out: HeldOut


class AdaptationSettings(JsonBody):
    """The settings of an adaptation."""

    epochs: int
    batch_size: int
    """Sentences per batch."""
    seed: int
    lr: float
    """Peak learning rate of the encoder."""
    lr_head: float
    """Peak learning rate of the head; equal to ``lr`` if the head came with the encoder."""
    precision: Literal["bf16", "fp32"]


class Adaptation(JsonBody):
    """The content of ``adaptation.json``: no time, path or machine, so identical inputs give identical bytes."""

    revision: int = REVISION
    parent: str
    """Name of the encoder that was adapted."""
    parent_digest: str
    dataset: str
    text_digest: str
    n_sentences: int
    """Sentences trained on."""
    n_characters: int
    n_held_out: int
    """Sentences held out for measuring."""
    new_head: bool
    """Whether the encoder came without a fitting head, in which case ``before`` was measured with a random one."""
    settings: AdaptationSettings
    before: HeldOut
    epochs: tuple[AdaptedEpoch, ...]

    @property
    def after(self) -> HeldOut:
        """The held-out measurement after the last epoch."""
        return self.epochs[-1].held_out


def write_encoder(folder: Path, *, encoder: Encoder, head: MaskedHead, record: Adaptation) -> None:
    """Write an encoder folder with its head and record, atomically.

    Args:
        folder: The folder to create.
        encoder: The encoder whose weights, configuration and vocabulary are written.
        head: Stored with the encoder's weights for the next adaptation; ignored when the encoder is loaded.
        record: The record of the adaptation.

    """
    tensors = dict(encoder.bert.state_dict())
    tensors |= {f"{PREFIX}{name}": tensor for name, tensor in head.state_dict().items()}
    with replacing_folder(folder) as fresh:
        encoder.describe(fresh)
        weights.write(tensors, fresh / _WEIGHTS)
        json_files.write(fresh / RECORD, record)

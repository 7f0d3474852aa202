"""What an adapted encoder was made of, kept in its folder; and the folder itself."""

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
"""Raised when the same text, encoder and settings come to give another encoder."""
_WEIGHTS = "model.safetensors"


class HeldOut(JsonBody):
    """How well masked characters of the held-out sentences are guessed."""

    loss: float
    """Mean cross-entropy of a character, in nats."""
    accuracy: float
    """Share that is guessed first, from 0 to 1."""


class AdaptedEpoch(JsonBody):
    """An epoch."""

    loss: float
    """Mean over the characters that were masked in training, in nats."""
    held_out: HeldOut


class AdaptationSettings(JsonBody):
    """How an encoder is adapted."""

    epochs: int
    batch_size: int
    """Sentences in a batch."""
    seed: int
    lr: float
    """Peak learning rate of the encoder, and of a head that came with it."""
    lr_head: float
    """Peak learning rate of a new head."""
    precision: Literal["bf16", "fp32"]


class Adaptation(JsonBody):
    """``adaptation.json``: no clock, no place, no machine; the same makings give the same bytes."""

    revision: int = REVISION
    parent: str
    """The name of the encoder that it was made from."""
    parent_digest: str
    dataset: str
    text_digest: str
    n_sentences: int
    """Learned from."""
    n_characters: int
    n_held_out: int
    """Sentences measured with."""
    new_head: bool
    """Whether the encoder had no head for masked characters, so that ``before`` is that of a random one."""
    settings: AdaptationSettings
    before: HeldOut
    epochs: tuple[AdaptedEpoch, ...]

    @property
    def after(self) -> HeldOut:
        """After the last epoch."""
        return self.epochs[-1].held_out


def write_encoder(folder: Path, *, encoder: Encoder, head: MaskedHead, record: Adaptation) -> None:
    """Write an encoder folder with its head and record, whole or not at all.

    Args:
        folder: Where it is made.
        encoder: Its weights, configuration and vocabulary are written.
        head: Kept beside the encoder's weights, for the next adaptation; whatever opens the encoder passes it over.
        record: What it was made of.

    """
    tensors = dict(encoder.bert.state_dict())
    tensors |= {f"{PREFIX}{name}": tensor for name, tensor in head.state_dict().items()}
    with replacing_folder(folder) as fresh:
        encoder.describe(fresh)
        weights.write(tensors, fresh / _WEIGHTS)
        json_files.write(fresh / RECORD, record)

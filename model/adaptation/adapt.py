"""Adapt an encoder to the text of a data set by masked-word prediction.

This is the task-adaptive pre-training of Gururangan et al. 2020, "Don't Stop Pretraining: Adapt Language Models to
Domains and Tasks".

On one machine and with the same number of threads, identical inputs give identical bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_

from ssmi.model import encoder_defaults, hardware
from ssmi.model.adaptation.head import MaskedHead, head_for
from ssmi.model.adaptation.masking import MaskedBatch, MaskTokens, mask_words
from ssmi.model.adaptation.record import Adaptation, AdaptationSettings, AdaptedEpoch, HeldOut, write_encoder
from ssmi.model.adaptation.text import Text, TextRows, read_text
from ssmi.model.data.batches import collate
from ssmi.model.data.shards import Shards, open_shards
from ssmi.model.network import encoder as encoders
from ssmi.model.network.encoder import Encoder
from ssmi.model.network.requirements import check_encoder
from ssmi.model.training.optimizer import build_optimizer, build_schedule
from ssmi.pipeline.contract.encoders.vocabulary import MASK, read_vocabulary
from ssmi.pipeline.contract.errors import DivergedError, MissingResourceError
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.progress import Reporter

_MASKS, _MEASURED = 2, 3
"""Seed components of the masks in training and in measuring, which keep these draws apart from all others."""


@dataclass(frozen=True, slots=True)
class Parent:
    """The encoder to adapt.

    Attributes:
        folder: Folder with its configuration, vocabulary and safetensors weights.
        name: Its name in the record.
        digest: Digest of its files.

    """

    folder: Path
    name: str
    digest: str


class MaskedLanguageModel(nn.Module):
    """An encoder with its head, which map a masked batch to token scores for every chosen character."""

    def __init__(self, encoder: Encoder, head: MaskedHead) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, masked: MaskedBatch) -> Tensor:
        """Score all tokens for each chosen character, in float32. Shape: (n_chosen, n_tokens)."""
        # Only the chosen states: the head scores every token of the vocabulary for each state it is given.
        states = self.encoder(masked.batch).states[masked.chosen]
        scores: Tensor = self.head(states, self.encoder.words.weight)
        return scores.float()


@hardware.threads_restored()
def adapt(
    *,
    shards: Path,
    dataset: str,
    parent: Parent,
    out: Path,
    params: Params,
    reporter: Reporter,
) -> Adaptation:
    """Adapt an encoder and write the result to a new encoder folder.

    Args:
        shards: The shard folder whose train and dev sentences are the text; built with ``parent``.
        dataset: The name of the data set in the record.
        parent: The encoder to adapt.
        out: The folder to create.
        params: Only ``train`` is read: epochs, batch size, seed, learning rates (``auto`` follows the width), warm-up,
            decay, clipping, precision, device and threads.
        reporter: Receives progress and the losses after each epoch.

    Returns:
        The record, as written to the folder's ``adaptation.json``.

    Raises:
        MissingResourceError: The shards are not built, or the encoder's vocabulary has no [MASK].
        StaleArtifactError: The shards and the encoder do not belong together.
        InputDataError: There is too little text.
        DivergedError: The loss or the gradient norm is not finite.

    """
    opened = open_shards(shards)
    device = hardware.choose_device(params.train.device)
    hardware.set_threads(params.train.threads)
    # Seeds the weights of a new head and dropout; text, batch order and masks have generators of their own.
    torch.manual_seed(params.train.seed)
    with reporter.task("reading text and encoder", total=2, unit="steps") as advance:
        text = read_text(opened, seed=params.train.seed)
        advance(1)
        run = _Run(opened, text, parent, params, device=device, reporter=reporter)
        advance(1)
    record = run.fit(dataset)
    write_encoder(out, encoder=run.model.encoder, head=run.model.head, record=record)
    return record


class _Run:
    """An adaptation in progress."""

    def __init__(
        self, shards: Shards, text: Text, parent: Parent, params: Params, *, device: torch.device, reporter: Reporter
    ) -> None:
        encoder = encoders.load(parent.folder)
        check_encoder(
            encoder, shards, largest_token_id=max(int(split.token_ids.max(initial=0)) for split in text.splits)
        )
        head, self._new_head = head_for(encoder, parent.folder)
        self._train = encoder_defaults.resolve(params, shards.statistics.encoder_size).train
        # A head stored with the encoder was trained with it, so it is tuned at the encoder's rate.
        if not self._new_head:
            self._train = self._train.model_copy(update={"lr_new": self._train.lr_encoder})
        self.model = MaskedLanguageModel(encoder, head).to(device)
        self._tokens = MaskTokens(_mask_id(parent.folder), shards.statistics.n_tokens)
        self._text, self._parent, self._device, self._reporter = text, parent, device, reporter

    def fit(self, dataset: str) -> Adaptation:
        """Train all epochs and return the record."""
        train = self._train
        # For all epochs up front, because the schedule needs the total number of steps.
        batches = [
            self._text.training_batches(batch_size=train.batch_size, seed=train.seed, epoch=epoch)
            for epoch in range(1, train.epochs + 1)
        ]
        self._optimizer = build_optimizer(self.model, train)
        self._schedule = build_schedule(self._optimizer, total=sum(map(len, batches)), warmup=train.warmup)
        before = self._measure()
        random = "a head of random weights" if self._new_head else "its own head"
        if slow := hardware.slow_bf16(self._device, self._train.precision):
            self._reporter.note(slow)
        self._reporter.note(f"before: held-out loss {before.loss:.3f} with {random}")
        done = []
        for epoch, own in enumerate(batches, start=1):
            loss = self._epoch(epoch, own)
            done.append(AdaptedEpoch(loss=loss, held_out=self._measure()))
            self._reporter.note(f"epoch {epoch}: loss {loss:.3f}, held-out loss {done[-1].held_out.loss:.3f}")
        return Adaptation(
            parent=self._parent.name,
            parent_digest=self._parent.digest,
            dataset=dataset,
            text_digest=self._text.digest,
            n_sentences=self._text.n_sentences,
            n_characters=self._text.n_characters,
            n_held_out=self._text.n_held_out,
            new_head=self._new_head,
            settings=self._settings(),
            before=before,
            epochs=tuple(done),
        )

    def _settings(self) -> AdaptationSettings:
        train = self._train
        return AdaptationSettings(
            epochs=train.epochs,
            batch_size=train.batch_size,
            seed=train.seed,
            lr=float(train.lr_encoder),
            lr_head=float(train.lr_new),
            precision="bf16" if hardware.precision(self._device, train.precision) == "bf16" else "fp32",
        )

    def _epoch(self, epoch: int, batches: list[TextRows]) -> float:
        """Train on every sentence once and return the mean loss per chosen character."""
        self.model.train()
        total, count = 0.0, 0
        random = np.random.default_rng([self._train.seed, epoch, _MASKS])
        characters = [int(split.lengths[rows].sum()) for split, rows in batches]
        title = f"epoch {epoch}/{self._train.epochs}"
        with self._reporter.task(title, total=sum(characters), unit="characters") as advance:
            for step, (batch, size) in enumerate(zip(batches, characters, strict=True), start=1):
                masked = self._masked(batch, random)
                loss = self._step(masked, where=f"epoch {epoch}, step {step}")
                total, count = total + loss * len(masked.answers), count + len(masked.answers)
                advance(size)
        return total / count

    def _step(self, masked: MaskedBatch, *, where: str) -> float:
        with hardware.autocast(self._device, self._train.precision):
            scores = self.model(masked)
        loss = functional.cross_entropy(scores, masked.answers)
        self._optimizer.zero_grad()
        loss.backward()
        norm = float(clip_grad_norm_(self.model.parameters(), self._train.clip))
        value = float(loss.detach())
        if not math.isfinite(value) or not math.isfinite(norm):
            raise DivergedError(f"{where}: loss {value}, gradient norm {norm}", next_step="a lower learning rate (lr)")
        self._optimizer.step()
        self._schedule.step()
        return value

    @torch.inference_mode()
    def _measure(self) -> HeldOut:
        """Measure loss and accuracy on the held-out sentences, with the same masks every time."""
        self.model.eval()
        loss, right, count = 0.0, 0, 0
        random = np.random.default_rng([self._train.seed, _MEASURED])
        for batch in self._text.held_out_batches():
            masked = self._masked(batch, random)
            with hardware.autocast(self._device, self._train.precision):
                scores = self.model(masked)
            # Summed here and divided at the end, because batches differ in the number of chosen characters.
            loss += float(functional.cross_entropy(scores, masked.answers, reduction="sum"))
            right += int((scores.argmax(dim=-1) == masked.answers).sum())
            count += len(masked.answers)
        return HeldOut(loss=loss / count, accuracy=right / count)

    def _masked(self, batch: TextRows, random: np.random.Generator) -> MaskedBatch:
        return mask_words(collate(batch.split, batch.rows), tokens=self._tokens, random=random).to(self._device)


def _mask_id(folder: Path) -> int:
    ids = read_vocabulary(folder).ids
    if MASK not in ids:
        raise MissingResourceError(
            f"{folder}: its vocabulary has no {MASK}, which replaces masked characters",
            next_step="adapt an encoder that was trained with masks, a BERT for example",
        )
    return ids[MASK]

"""Train on a shard folder and leave a run folder: the best checkpoint, the history, the metrics.

Dev F1 picks the epoch (ties: the earlier one); test is read once, at the end, with that epoch's weights. On a CPU two
runs with the same parameters and threads write the same bytes.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from model import checkpoint as checkpoints
from model import hardware
from model.batches import collate, training_batches
from model.boundaries import Ids
from model.data import Shards, Split, open_shards, read_split
from model.encoder import load as load_encoder
from model.evaluation import score_split
from model.network import Network, build, check_buildable, check_encoder, wanted
from model.optimizer import build_optimizer, build_schedule
from model.scoring import Scores
from pipeline.contract.errors import InputDataError, SsmiError
from pipeline.contract.params import Params, TrainParams
from pipeline.contract.progress import Reporter
from pipeline.contract.tables import writing

CHECKPOINT, HISTORY, METRICS = "checkpoint", "history.csv", "metrics.json"


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One line of history.csv."""

    epoch: int
    """From 1."""
    train_loss: float
    """Mean negative log-likelihood of a sentence, with dropout, while it was trained on."""
    dev: Scores


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What a run came to."""

    run: Path
    history: Sequence[EpochRecord]
    best_epoch: int
    dev: Scores
    """Of the best epoch."""
    test: Scores | None
    """Of the same weights; None where there is no test split."""


def train(*, shards: Path, encoder: Path | None, run: Path, params: Params, reporter: Reporter) -> TrainResult:
    """Train, pick, test, and write ``run``; until the last figure is there, what ``run`` held before stays as it was.

    encoder: the BERT folder that the shards were built with; read only with ``model.encoder: finetune``.
    Raises ParameterError, MissingResourceError or StaleArtifactError for what does not fit together, InputDataError
    for shards without train or dev sentences, SsmiError when the loss stops being a number.
    """
    opened = open_shards(shards)
    check_buildable(params.model, opened)
    data = {name: _read(opened, name, params) for name in ("train", "dev")}
    device = hardware.choose_device(params.train.device)
    hardware.set_threads(params.train.threads)
    torch.manual_seed(params.train.seed)
    network = _assemble(opened, encoder, params, largest_token_id=max(int(s.token_ids.max()) for s in data.values()))
    run.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{run.name}.", suffix=".tmp", dir=run.parent) as name:
        fresh = Path(name)
        trainer = _Trainer(network.to(device), opened, params, fresh, reporter)
        history = trainer.fit(data["train"], data["dev"])
        best = _best(history)
        checkpoints.restore(fresh / CHECKPOINT, network)
        test_split = _read(opened, "test", params)
        test = trainer.score(test_split, "test") if len(test_split) else None
        metrics = {"dev": best.dev.to_json()} | ({"test": test.to_json()} if test else {})
        text = json.dumps(metrics, ensure_ascii=False, indent=1) + "\n"
        (fresh / METRICS).write_text(text, encoding="utf-8")
        _publish(fresh, run)
    return TrainResult(run, history, best.epoch, best.dev, test)


def _publish(fresh: Path, run: Path) -> None:
    """Move a finished run in place of the one before, its metrics last: they say that the rest is whole."""
    run.mkdir(exist_ok=True)
    (run / METRICS).unlink(missing_ok=True)
    shutil.rmtree(run / CHECKPOINT, ignore_errors=True)
    for name in (CHECKPOINT, HISTORY, METRICS):
        (fresh / name).replace(run / name)


def _read(shards: Shards, name: str, params: Params) -> Split:
    split = read_split(shards, name, boundaries=shards.boundaries, wanted=wanted(params.model))
    if name != "test" and not split.token_ids.size:
        raise InputDataError(
            f"{shards.folder}: no {name} sentences",
            next_step="cut a dev part off train with -S prepare.dev_fraction=0.1"
            if name == "dev"
            else "see its source",
        )
    return split


def _assemble(shards: Shards, encoder: Path | None, params: Params, *, largest_token_id: int) -> Network:
    bert = load_encoder(encoder) if encoder is not None and params.model.encoder == "finetune" else None
    if bert is not None:
        check_encoder(bert, shards, largest_token_id=largest_token_id)
    return build(
        params.model,
        labels=shards.labels,
        boundaries=shards.boundaries,
        encoder=bert,
        hidden_width=shards.hidden_width,
        n_tokens=shards.n_tokens,
    )


def _best(history: Sequence[EpochRecord]) -> EpochRecord:
    return max(history, key=lambda record: (record.dev.overall.f1, -record.epoch))


@dataclass(frozen=True, slots=True)
class _Trainer:
    """What every epoch needs."""

    network: Network
    shards: Shards
    params: Params
    run: Path
    reporter: Reporter

    def fit(self, train_split: Split, dev_split: Split) -> list[EpochRecord]:
        """All epochs; the best one's checkpoint is on disk afterwards."""
        settings = self.params.train
        optimizer = build_optimizer(self.network, settings)
        n_steps = sum(len(_batches(train_split, settings, epoch)) for epoch in range(1, settings.epochs + 1))
        schedule = build_schedule(optimizer, total=n_steps, warmup=settings.warmup)
        history: list[EpochRecord] = []
        for epoch in range(1, settings.epochs + 1):
            loss = self._epoch(train_split, epoch, optimizer, schedule)
            dev = self.score(dev_split, "dev")
            history.append(EpochRecord(epoch, loss, dev))
            if _best(history).epoch == epoch:
                self._save(epoch)
            _write_history(self.run / HISTORY, history)
            self.reporter.note(f"epoch {epoch}: loss {loss:.4f}, dev F1 {100 * dev.overall.f1:.2f}")
        return history

    def _epoch(self, split: Split, epoch: int, optimizer: AdamW, schedule: LambdaLR) -> float:
        """Train on every sentence once; returns the mean loss of a sentence."""
        settings = self.params.train
        device = self.network.tags.weight.device
        self.network.train()
        trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        total = 0.0
        title = f"epoch {epoch}/{settings.epochs}"
        with self.reporter.task(title, total=len(split.token_ids), unit="characters") as advance:
            for step, rows in enumerate(_batches(split, settings, epoch), start=1):
                batch = collate(split, rows).to(device)
                with hardware.autocast(device, settings.precision):
                    losses = self.network(batch)
                optimizer.zero_grad()
                losses.mean().backward()
                norm = clip_grad_norm_(trained, settings.clip)
                loss = float(losses.detach().sum())
                if not math.isfinite(loss) or not math.isfinite(float(norm)):
                    raise _diverged(epoch, step, loss=loss / len(rows), norm=float(norm))
                optimizer.step()
                schedule.step()
                total += loss
                advance(int(split.lengths[rows].sum()))
        return total / int((split.lengths > 0).sum())

    def score(self, split: Split, title: str) -> Scores:
        """Score the network as it is."""
        return score_split(
            self.network,
            split,
            labels=self.shards.labels,
            precision=self.params.train.precision,
            reporter=self.reporter,
            title=title,
        )

    def _save(self, epoch: int) -> None:
        facts = checkpoints.Facts(
            self.shards.digest,
            self.shards.vocabulary_digest,
            self.shards.encoder_digest,
            self.network.n_parameters,
            epoch,
        )
        checkpoints.save(
            self.run / CHECKPOINT,
            network=self.network,
            params=self.params,
            labels=self.shards.labels,
            boundaries=self.shards.boundaries,
            facts=facts,
        )


def _batches(split: Split, settings: TrainParams, epoch: int) -> list[Ids]:
    return training_batches(split.lengths, batch_size=settings.batch_size, seed=settings.seed, epoch=epoch)


def _diverged(epoch: int, step: int, *, loss: float, norm: float) -> SsmiError:
    return SsmiError(
        f"epoch {epoch}, step {step}: loss {loss}, gradient norm {norm}",
        next_step="lower -S train.lr_encoder, or try -S train.precision=fp32",
    )


def _write_history(path: Path, history: Sequence[EpochRecord]) -> None:
    lines = ["epoch,train_loss,dev_precision,dev_recall,dev_f1"]
    for record in history:
        dev = record.dev.overall
        lines.append(f"{record.epoch},{record.train_loss:.6f},{dev.precision:.6f},{dev.recall:.6f},{dev.f1:.6f}")
    with writing(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")

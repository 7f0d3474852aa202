"""Ratios that this project promises, measured in one run: ``make bench``, or ``make bench DATASET=resume``.

Every ratio compares runs of the same batches, taken in turn, so that a noisy machine slows both sides alike.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn.utils import clip_grad_norm_

from model import hardware
from model.batches import collate, training_batches
from model.configurations import find
from model.data import Shards, open_shards, read_split
from model.encoder import load as load_encoder
from model.network import build, wanted
from model.optimizer import build_optimizer
from pipeline.assets.resolve import find_encoder
from pipeline.contract import params as parameters
from pipeline.contract.params import Params
from pipeline.contract.progress import Silent

ROOT = Path(__file__).resolve().parents[2]
WARMING = 3


@dataclass
class Side:
    """One network in training, and the seconds its steps took."""

    name: str
    params: Params
    shards: Shards
    encoder: Path

    def __post_init__(self) -> None:
        torch.manual_seed(self.params.train.seed)
        model = self.params.model
        self.split = read_split(self.shards, "train", boundaries=self.shards.boundaries, wanted=wanted(model))
        self.network = build(
            model,
            labels=self.shards.labels,
            boundaries=self.shards.boundaries,
            encoder=load_encoder(self.encoder, layers=model.encoder_layers) if model.encoder == "finetune" else None,
            hidden_width=self.shards.hidden_width,
            n_tokens=self.shards.n_tokens,
        ).train()
        self.optimizer = build_optimizer(self.network, self.params.train)
        self.waiting: list[float] = []
        self.steps: list[float] = []

    def step(self, rows: np.ndarray) -> None:
        """One step, as the trainer makes it."""
        start = time.perf_counter()
        batch = collate(self.split, rows)
        ready = time.perf_counter()
        with hardware.autocast(torch.device("cpu"), self.params.train.precision):
            losses = self.network(batch)
        self.optimizer.zero_grad()
        losses.mean().backward()
        clip_grad_norm_(self.network.parameters(), self.params.train.clip)
        self.optimizer.step()
        self.waiting.append(ready - start)
        self.steps.append(time.perf_counter() - start)


def ratio(left: Side, right: Side) -> str:
    """How many times longer the left side's steps took, batch by batch: median, and the quartiles."""
    pairs = [a / b for a, b in zip(left.steps[WARMING:], right.steps[WARMING:], strict=True)]
    low, middle, high = statistics.quantiles(pairs, n=4)
    return f"{middle:.2f} (quartiles {low:.2f} to {high:.2f}); total {sum(left.steps) / sum(right.steps):.2f}"


def main() -> None:
    """Build shards with hidden states in a folder of its own, then measure."""
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--dataset", default="sample")
    reader.add_argument("--steps", type=int, default=30, help="batches that every side trains on")
    reader.add_argument("--threads", type=int, default=0, help="0: the physical cores")
    options = reader.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
        build_features = [sys.executable, "-m", "cli.main", "--project", folder, "features", "build"]
        subprocess.run(
            [*build_features, "--dataset", options.dataset, "-S", "shards.hidden=true"], check=True, cwd=ROOT
        )
        params = parameters.load(project / "params.yaml")
        shards = open_shards(project / "artifacts" / "shards" / options.dataset)
        encoder = find_encoder(params.encoder.name, revision=None, root=ROOT, reporter=Silent()).path
        threads = hardware.set_threads(options.threads)
        sides = {
            name: Side(name, _params(params, configuration, frozen=frozen), shards, encoder)
            for name, configuration, frozen in (
                ("bert-crf", "bert-crf", False),
                ("ssmi", "ssmi", False),
                ("ssmi on stored states", "ssmi", True),
                ("bert-crf on stored states", "bert-crf", True),
            )
        }
        lengths = sides["ssmi"].split.lengths
        batches = training_batches(lengths, batch_size=params.train.batch_size, seed=1, epoch=1)
        for rows in batches[: options.steps + WARMING]:
            for side in sides.values():
                side.step(rows)
    n_measured = len(sides["ssmi"].steps) - WARMING
    print(f"{options.dataset}, {len(batches)} batches an epoch, {n_measured} measured, {threads} threads")
    for side in sides.values():
        milliseconds = 1000 * statistics.median(side.steps)
        waiting = sum(side.waiting[WARMING:]) / sum(side.steps[WARMING:])
        print(f"{side.name:28} {milliseconds:8.1f} ms a step, {waiting:.2%} of it waiting for data")
    for title, left, right in (
        ("full network / bert-crf, fine-tuned", "ssmi", "bert-crf"),
        ("full network, fine-tuned / stored states", "ssmi", "ssmi on stored states"),
        ("bert-crf, fine-tuned / stored states", "bert-crf", "bert-crf on stored states"),
    ):
        print(f"{title:45} {ratio(sides[left], sides[right])}")


def _params(params: Params, configuration: str, *, frozen: bool) -> Params:
    tree = params.model_dump(mode="json")
    if frozen:
        tree["model"] |= {"encoder": "frozen", "fusion": "output"}
    return find(configuration).apply(parameters.check(tree, source="benchmark"))


if __name__ == "__main__":
    main()

"""Speed ratios that this project promises, measured in one run: ``make bench``, or ``make bench DATASET=resume``.

Every ratio compares steps on the same batches, alternating between both sides, so that a noisy machine slows both
alike.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torchcrf import CRF

from ssmi.configurations import find
from ssmi.model import encoder_defaults, hardware
from ssmi.model.data.batches import Batch, collate, prefetch, training_batches
from ssmi.model.data.boundaries import Ids
from ssmi.model.data.shards import Shards, open_shards, read_split
from ssmi.model.data.split import RequiredFeatures
from ssmi.model.network.build import build
from ssmi.model.network.encoder import load as load_encoder
from ssmi.model.network.layers.crf import ConstrainedCrf
from ssmi.model.network.requirements import required_features
from ssmi.model.training.optimizer import build_optimizer
from ssmi.pipeline.assets.resolve import find_encoder
from ssmi.pipeline.contract.parameters import params as parameters
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.progress import Silent
from tests.bench.training.products import seconds_of_products

ROOT = Path(__file__).resolve().parents[3]
WARM_UP_STEPS = 3


@dataclass
class Side:
    """One network in training, and the seconds of its steps."""

    name: str
    params: Params
    shards: Shards
    encoder: Path
    batches: Sequence[Ids]

    def __post_init__(self) -> None:
        torch.manual_seed(self.params.train.seed)
        model = self.params.model
        self.split = read_split(
            self.shards, "train", boundaries=self.shards.boundaries, required=required_features(model)
        )
        layers = model.encoder_layers
        assert layers != "auto"  # resolved by `_params`
        self.network = build(
            model,
            labels=self.shards.labels,
            boundaries=self.shards.boundaries,
            encoder=load_encoder(self.encoder, layers=layers) if model.encoder == "finetune" else None,
            hidden_width=self.shards.statistics.hidden_width,
            n_tokens=self.shards.statistics.n_tokens,
        ).train()
        self.optimizer = build_optimizer(self.network, self.params.train)
        self.coming: Iterator[Batch] = prefetch(self.split, self.batches, device=torch.device("cpu"))
        self.waiting: list[float] = []
        self.steps: list[float] = []

    def step(self) -> None:
        """Make one step in the same way as the trainer."""
        start = time.perf_counter()
        batch = next(self.coming)
        ready = time.perf_counter()
        self.train_on(batch)
        self.waiting.append(ready - start)
        self.steps.append(time.perf_counter() - start)

    def train_on(self, batch: Batch) -> None:
        """Make a step on a batch, without waiting for data."""
        with hardware.autocast(torch.device("cpu"), self.params.train.precision):
            losses = self.network(batch)
        self.optimizer.zero_grad()
        losses.mean().backward()
        clip_grad_norm_(self.network.parameters(), self.params.train.clip)
        self.optimizer.step()


def ratio(left: Sequence[float], right: Sequence[float]) -> str:
    """Ratio of the left side's step times to the right side's, batch by batch: median and quartiles, and of totals."""
    left, right = left[WARM_UP_STEPS:], right[WARM_UP_STEPS:]
    low, middle, high = statistics.quantiles([a / b for a, b in zip(left, right, strict=True)], n=4)
    return f"{middle:.2f} (quartiles {low:.2f} to {high:.2f}); total {sum(left) / sum(right):.2f}"


def time_crfs(side: Side, n_steps: int) -> dict[str, tuple[list[float], list[float]]]:
    """Seconds of pytorch-crf and of this project's CRF on the same emissions: training (with gradients), Viterbi."""
    labels = side.shards.labels
    library, own = CRF(len(labels.tags), batch_first=True), ConstrainedCrf(labels)
    seconds: dict[str, tuple[list[float], list[float]]] = {"training": ([], []), "Viterbi": ([], [])}
    for batch in itertools.islice(prefetch(side.split, side.batches, device=torch.device("cpu")), n_steps):
        emissions = torch.randn(*batch.mask.shape, len(labels.tags), requires_grad=True)
        for crf, training, viterbi in zip((library, own), *seconds.values(), strict=True):
            start = time.perf_counter()
            loss: Tensor = crf(emissions, batch.tag_ids, mask=batch.mask)
            loss.sum().backward()
            training.append(time.perf_counter() - start)
            start = time.perf_counter()
            crf.decode(emissions, mask=batch.mask)
            viterbi.append(time.perf_counter() - start)
    return seconds


def product_shares(side: Side, n_steps: int) -> list[float]:
    """Share of each step's CPU time that its matrix products would take alone, on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    shares = []
    for rows in side.batches[:n_steps]:
        batch = collate(side.split, rows)
        products = [seconds_of_products(side.network, batch)]
        start = time.thread_time()
        side.train_on(batch)
        seconds = time.thread_time() - start
        products.append(seconds_of_products(side.network, batch))  # before and after, since other load varies
        shares.append(statistics.mean(products) / seconds)
    torch.set_num_threads(before)
    return shares


def main() -> None:
    """Build shards with hidden states in a temporary folder, then measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="sample")
    parser.add_argument("--steps", type=int, default=30, help="batches that every side trains on")
    parser.add_argument("--threads", type=int, default=0, help="0: the physical cores")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
        build_features = [sys.executable, "-m", "ssmi.cli.main", "--project", folder, "features", "build"]
        subprocess.run(
            [*build_features, "--dataset", options.dataset, "-S", "shards.hidden=true"], check=True, cwd=ROOT
        )
        params = parameters.load(project / "params.yaml")
        shards = open_shards(project / "artifacts" / "shards" / options.dataset)
        encoder = find_encoder(params.encoder.name, revision=None, root=ROOT, reporter=Silent()).path
        threads = hardware.set_threads(options.threads)
        lengths = read_split(shards, "train", boundaries=shards.boundaries, required=RequiredFeatures()).lengths
        batches = training_batches(lengths, batch_size=params.train.batch_size, seed=1, epoch=1)
        n_steps = min(len(batches), options.steps + WARM_UP_STEPS)
        sides = {
            name: Side(name, _params(params, configuration, frozen=frozen, shards=shards), shards, encoder, batches)
            for name, configuration, frozen in (
                ("bert-crf", "bert-crf", False),
                ("ssmi", "ssmi", False),
                ("ssmi on stored states", "ssmi", True),
                ("bert-crf on stored states", "bert-crf", True),
            )
        }
        for _ in range(n_steps):
            for side in sides.values():
                side.step()
        crfs = time_crfs(sides["bert-crf"], n_steps)
        shares = product_shares(sides["bert-crf"], n_steps)
    print(f"{options.dataset}, {len(batches)} batches an epoch, {n_steps - WARM_UP_STEPS} measured, {threads} threads")
    _print(sides, crfs)
    low, middle, high = statistics.quantiles(shares[WARM_UP_STEPS:], n=4)
    print(f"{'matrix products / bert-crf step, one thread':45} {middle:.2f} (quartiles {low:.2f} to {high:.2f})")


def _print(sides: Mapping[str, Side], crfs: Mapping[str, tuple[list[float], list[float]]]) -> None:
    for side in sides.values():
        milliseconds = 1000 * statistics.median(side.steps)
        waiting = sum(side.waiting[WARM_UP_STEPS:]) / sum(side.steps[WARM_UP_STEPS:])
        print(f"{side.name:28} {milliseconds:8.1f} ms a step, {waiting:.2%} of it waiting for data")
    for title, left, right in (
        ("full network / bert-crf, fine-tuned", "ssmi", "bert-crf"),
        ("full network, fine-tuned / stored states", "ssmi", "ssmi on stored states"),
        ("bert-crf, fine-tuned / stored states", "bert-crf", "bert-crf on stored states"),
    ):
        print(f"{title:45} {ratio(sides[left].steps, sides[right].steps)}")
    for title, (reference, own) in crfs.items():
        print(f"{f'pytorch-crf / CRF, {title}':45} {ratio(reference, own)}")


def _params(params: Params, configuration: str, *, frozen: bool, shards: Shards) -> Params:
    tree = params.model_dump(mode="json")
    # All layers, as for all published figures: with fewer, the encoder takes a smaller share of a step.
    tree["model"] |= {"encoder_layers": None}
    if frozen:
        tree["model"] |= {"encoder": "frozen", "fusion": "output"}
    configured = find(configuration).apply(parameters.check_params(tree, source="benchmark"))
    return encoder_defaults.resolve(configured, shards.statistics.encoder_size)


if __name__ == "__main__":
    main()

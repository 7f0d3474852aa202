"""Memory use and waiting time of ``train.stream``: ``make bench-stream PROJECT=. DATASET=msra``.

Copies of built shards repeat the train split several times, with new sentence ids. On each copy, some steps of an epoch
are trained with the encoder's first layer (``bert-crf``) and with characters alone (``char-crf``), each in a separate
process; both are streamed, and ``char-crf`` is also trained in memory.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pyarrow as pa
import torch

from ssmi.configurations import find
from ssmi.model import encoder_defaults
from ssmi.model.data.shards import Shards, open_shards, read_split
from ssmi.model.data.training_data import StreamedSplit, TrainingData, WholeSplit
from ssmi.model.network.build import build
from ssmi.model.network.encoder import load as load_encoder
from ssmi.model.network.network import Network
from ssmi.model.network.requirements import required_features
from ssmi.model.training.optimizer import build_optimizer
from ssmi.pipeline.assets.resolve import find_encoder
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.parameters import params as parameters
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.progress import Silent
from ssmi.pipeline.contract.project.paths import ArtifactPaths
from ssmi.pipeline.contract.storage.replacing import replacing_folder

ROOT = Path(__file__).resolve().parents[3]
WITHOUT_ENCODER, WITH_ENCODER = "char-crf", "bert-crf"
SENTENCES_PER_BATCH = {WITHOUT_ENCODER: 256, WITH_ENCODER: 16}


@dataclass(frozen=True)
class Outcome:
    """Cost of one training."""

    configuration: str
    streamed: bool
    times: int
    sentences: int
    steps: int
    seconds: float
    waiting: float
    """Seconds, of ``seconds``, spent waiting for a batch."""
    peak_mib: int

    def __str__(self) -> str:
        """One line of the table."""
        mode = "streamed" if self.streamed else "in memory"
        return (
            f"{self.configuration:10}{mode:12}{self.times:3} times{self.sentences:12,} sentences{self.steps:8,} steps"
            f"{self.peak_mib:8,} MiB{self.waiting / self.seconds:9.2%} waiting"
        )


def repeat(project: Path, dataset: str, target: Path, *, times: int) -> None:
    """Make a project whose train split repeats another project's ``times`` times; all other files are links to it."""
    source, shards = (ArtifactPaths(root).shards(dataset) for root in (project, target))
    shutil.copyfile(ArtifactPaths(project).params, ArtifactPaths(target).params)
    shards.parent.mkdir(parents=True)
    manifest = manifests.load(source)
    parts = open_shards(source).parts("train")
    with replacing_folder(shards) as new_folder:
        ignored = shutil.ignore_patterns(manifests.MANIFEST_NAME, "train")
        shutil.copytree(source, new_folder, copy_function=os.link, ignore=ignored, dirs_exist_ok=True)
        n_sentences = 0
        for number, part in enumerate(itertools.chain.from_iterable([parts] * times)):
            table = tables.read_table(part, schema.SHARDS, manifest=manifest)
            ids = pa.array(range(n_sentences, n_sentences + len(table)), pa.int32())
            numbered = table.set_column(0, table.schema.field("sentence_id"), ids)
            tables.write_table(tables.part_path(new_folder, "train", number), schema.SHARDS, numbered)
            n_sentences += len(table)
        manifests.save(replace(manifest, files=manifests.describe_files(new_folder)), new_folder)


def train(project: Path, dataset: str, *, configuration: str, streamed: bool, times: int, n_steps: int) -> Outcome:
    """Train at most ``n_steps`` steps of an epoch in the same way as the trainer."""
    torch.set_num_threads(1)
    shards = open_shards(ArtifactPaths(project).shards(dataset))
    params = find(configuration).apply(parameters.load(ArtifactPaths(project).params))
    params = encoder_defaults.resolve(params, shards.statistics.encoder_size)
    data = _data(shards, params, streamed=streamed)
    network = _network(project, shards, params)
    optimizer = build_optimizer(network, params.train)
    seed, size = params.train.seed, SENTENCES_PER_BATCH[configuration]
    batches = data.batches(batch_size=size, seed=seed, epoch=1)[:n_steps]
    waiting, training_start = 0.0, time.perf_counter()
    with closing(data.collated(batches, seed=seed, epoch=1, device=torch.device("cpu"))) as loader:
        for _ in batches:
            start = time.perf_counter()
            batch = next(loader)
            waiting += time.perf_counter() - start
            optimizer.zero_grad()
            network(batch).mean().backward()
            optimizer.step()
    return Outcome(
        configuration=configuration,
        streamed=streamed,
        times=times,
        sentences=len(data.lengths),
        steps=len(batches),
        seconds=time.perf_counter() - training_start,
        waiting=waiting,
        peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    )


def _data(shards: Shards, params: Params, *, streamed: bool) -> TrainingData:
    features = required_features(params.model)
    if streamed:
        return StreamedSplit.open(shards, "train", required=features, buffer=params.train.stream_buffer)
    return WholeSplit(read_split(shards, "train", boundaries=shards.boundaries, required=features))


def _network(project: Path, shards: Shards, params: Params) -> Network:
    """The network, with the first layer of the encoder if it has an encoder."""
    bert = None
    if params.model.trains_encoder:
        config = params.encoder
        bert = load_encoder(find_encoder(config.name, revision=config.revision, root=project, reporter=Silent()).path,
                            layers=1)  # fmt: skip
    return build(
        params.model, labels=shards.labels, boundaries=shards.boundaries, encoder=bert, hidden_width=None,
        n_tokens=shards.statistics.n_tokens,
    ).train()  # fmt: skip


def measure(project: Path, dataset: str, *, all_times: Sequence[int], n_steps: int) -> list[Outcome]:
    """Train on each copy in separate processes; print each result when it is ready."""
    outcomes = []
    for times in all_times:
        with tempfile.TemporaryDirectory(dir=project) as folder:
            repeat(project, dataset, Path(folder), times=times)
            for configuration, streamed in ((WITH_ENCODER, True), (WITHOUT_ENCODER, True), (WITHOUT_ENCODER, False)):
                values = [folder, dataset, configuration, str(int(streamed)), str(times), str(n_steps)]
                command = [sys.executable, "-m", "tests.bench.training.stream", "--one", *values]
                completed = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
                outcomes.append(Outcome(**json.loads(completed.stdout.splitlines()[-1])))
                print(outcomes[-1], flush=True)
    return outcomes


def main() -> None:
    """Measure, or with ``--one``, train once for ``measure``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, default=ROOT, help="where the data set is built")
    parser.add_argument("--dataset", default="sample")
    parser.add_argument("--times", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--steps", type=int, default=1000, help="at most so many of an epoch")
    parser.add_argument("--one", nargs=6, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        folder, dataset, configuration, streamed, times, n_steps = options.one
        one = train(Path(folder), dataset, configuration=configuration, streamed=streamed == "1", times=int(times),
                    n_steps=int(n_steps))  # fmt: skip
        print(json.dumps(asdict(one)))
    else:
        measure(options.project.resolve(), options.dataset, all_times=options.times, n_steps=options.steps)


if __name__ == "__main__":
    main()

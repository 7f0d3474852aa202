"""A network on the tiny shards, and a batch from the shards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ssmi.model.data.batches import Batch, collate
from ssmi.model.data.shards import Shards, read_split
from ssmi.model.data.split import RequiredFeatures
from ssmi.model.network import encoder as encoders
from ssmi.model.network.build import build
from ssmi.model.network.network import Network
from ssmi.pipeline.contract.parameters.params import Params

EVERYTHING = RequiredFeatures(
    best=True,
    local=True,
    sets=True,
    negatives=True,
    segment_positions=True,
    boundary_roles=True,
    cosine_gates=True,
    hidden=True,
    matches=True,
)


@pytest.fixture
def make_network(encoder_folder: Path) -> Callable[[Shards, Params], Network]:
    """Build a network as training does, from a fixed seed, in evaluation mode."""

    def make(opened: Shards, params: Params) -> Network:
        torch.manual_seed(0)
        encoder = encoders.load(encoder_folder) if params.model.encoder == "finetune" else None
        network = build(
            params.model,
            labels=opened.labels,
            boundaries=opened.boundaries,
            encoder=encoder,
            hidden_width=opened.statistics.hidden_width,
            n_tokens=opened.statistics.n_tokens,
            word_counts=_word_counts(opened) if params.model.lexicon == "softlexicon" else None,
            longest_entity=4,  # 人民公园
        )
        return network.eval()

    return make


def _word_counts(opened: Shards) -> torch.Tensor:
    split = read_split(opened, "train", boundaries=opened.boundaries, required=RequiredFeatures(matches=True))
    assert split.matches is not None
    return torch.from_numpy(split.matches.counts(n_rows=len(opened.boundaries.ids) + 1))


@pytest.fixture
def make_batch() -> Callable[[Shards], Batch]:
    """Make a batch of the ten train sentences, with every feature."""

    def make(opened: Shards) -> Batch:
        return collate(read_split(opened, "train", boundaries=opened.boundaries, required=EVERYTHING), np.arange(10))

    return make


@pytest.fixture
def randomize_zeros() -> Callable[[Network], None]:
    """Fill zero-initialised parameters with noise, as training would: zeros hide the parts before them."""

    def randomize(network: Network) -> None:
        with torch.no_grad():
            for parameter in network.parameters():
                if not parameter.any():
                    parameter.normal_(std=0.1)

    return randomize

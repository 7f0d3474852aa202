"""Adaptation of the project's encoder to a data set's text."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ssmi import training
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.arguments import list_of
from ssmi.pipeline.contract.errors import ParameterError
from ssmi.pipeline.contract.parquet.statistics import ShardsStatistics
from ssmi.runs.lookup import check_labelled
from ssmi.workspace import Workspace

if TYPE_CHECKING:
    from ssmi.model.adaptation.record import Adaptation

__all__ = ["AdaptedEncoder", "adapt"]

_SEEDS = 2**63
"""Number of seeds that torch takes."""


@dataclass(frozen=True, slots=True)
class AdaptedEncoder:
    """An encoder that was trained further on a data set's text.

    Attributes:
        folder: The encoder folder, absolute.
        name: The value of ``encoder.name`` that selects it in the project where it was made.
        adaptation: Its parent, text and settings, and how well it predicted masked characters before and after.

    """

    folder: Path
    name: str
    adaptation: Adaptation


def adapt(
    workspace: Workspace,
    dataset: str | None,
    *,
    out: Path,
    epochs: int,
    seed: int,
    batch_size: int,
    lr: float | None,
    overrides: Iterable[str],
    device: str | None,
) -> AdaptedEncoder:
    """Train the encoder on masked text of train and dev; see ``Project.adapt_encoder``."""
    if seed >= _SEEDS:
        raise ParameterError(f"seed={seed}: not a seed", next_step="give an int from 0 to 2**63 - 1")
    if lr is not None and not 0 < lr < math.inf:
        raise ParameterError(f"lr={lr!r}: not a learning rate", next_step="give a number above 0, or leave lr out")
    # exists() follows links and is false for a dangling one.
    if out.exists() or out.is_symlink():
        raise ParameterError(f"{out}: already exists", next_step="name a new folder, or remove this one first")
    settings = [
        f"train.epochs={epochs}",
        f"train.seed={seed}",
        f"train.batch_size={batch_size}",
        f"train.lr_encoder={'auto' if lr is None else lr}",
        "train.lr_new=auto",
        # All layers of the encoder are trained, whatever the project's network uses.
        "model.encoder=finetune",
        "model.encoder_layers=null",
    ]
    # Later overrides take precedence, so -S cannot change the training settings of this call.
    given = list_of("overrides", overrides)
    workspace.params(given, device=device)  # a mistake is reported beside what was given, not beside these settings
    params = workspace.params((*given, *settings), device=device)
    name = workspace.dataset(dataset, params=params)
    workspace.fetch_features(name)
    check_labelled(workspace, name)
    shards = workspace.paths.shards(name)
    _check_dataset(workspace, name, shards=shards)
    folder = training.check_shards(workspace, params, shards=shards, dataset=name)
    assert folder is not None  # because of ``model.encoder: finetune``
    digest = ShardsStatistics.of(manifests.load(shards)).encoder_digest
    with workspace.reporter.task("loading torch", total=0, unit=""):
        from ssmi.model.adaptation.adapt import Parent, adapt
    parent = Parent(folder, Path(params.encoder.name).name, digest)
    record = adapt(shards=shards, dataset=name, parent=parent, out=out, params=params, reporter=workspace.reporter)
    return AdaptedEncoder(out.resolve(), _name_in(workspace.root, out.resolve()), record)


def _check_dataset(workspace: Workspace, name: str, *, shards: Path) -> None:
    """If no features are built, reject a data set that does not exist rather than ask for its features."""
    if not (shards / manifests.MANIFEST_NAME).is_file():
        from ssmi.pipeline.assets.resolve import find_dataset

        find_dataset(name, root=workspace.root, reporter=workspace.reporter)


def _name_in(root: Path, folder: Path) -> str:
    """Return the folder as a value of ``encoder.name``: relative below the project, and never like a listed name."""
    if not folder.is_relative_to(root):
        return str(folder)
    below = folder.relative_to(root).as_posix()
    return below if "/" in below else f"./{below}"

"""What is asked of shards before anything is trained on them, by ``train`` and ``ablate`` alike."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.session import Session
from pipeline.contract import manifest as manifests
from pipeline.contract.errors import StaleArtifactError
from pipeline.contract.params import Params

if TYPE_CHECKING:
    from model.configurations import Configuration


def check(
    session: Session, params: Params, *, shards: Path, dataset: str, configuration: Configuration | None = None
) -> Path | None:
    """Return the folder of the encoder to train, None where none is; refuse shards that are not of these parameters.

    configuration: what ``params`` were made with; one that changes features is built and trained by ``ablate``.
    Raises MissingResourceError for shards that were not built, StaleArtifactError for those of other feature parameters
    or of another encoder.
    """
    built = manifests.load(shards)
    remedy = f"ssmi-cli features build --dataset {dataset} with the same parameters"
    if configuration is not None and configuration.changes_features:
        remedy = (
            f"ssmi-cli ablate --dataset {dataset} --only {configuration.name} builds its features and trains on them"
        )
    made_with = {**built.parameters, **built.report.statistics.get("feature_parameters", {})}
    _check_parameters(params, made_with, dataset, remedy=remedy)
    if params.model.encoder != "finetune":
        return None
    from pipeline.assets.resolve import find_encoder

    encoder = find_encoder(
        params.encoder.name, revision=params.encoder.revision, root=session.root, reporter=session.reporter
    )
    built_with = built.report.statistics["encoder_digest"]
    if encoder.digest != built_with:
        raise StaleArtifactError(
            f"{shards} was built with encoder {built_with[:12]}, {params.encoder.name} is {encoder.digest[:12]}",
            next_step=f"build with the encoder that you train: ssmi-cli features build --dataset {dataset}",
        )
    return encoder.path


def _check_parameters(params: Params, built: Mapping[str, Mapping[str, Any]], dataset: str, *, remedy: str) -> None:
    """Refuse to train on shards that other feature parameters made: the run would be recorded under a false name."""
    differing = [
        f"{section}.{key} is {value!r} in the shards, {params.section(section).get(key)!r} in the parameters"
        for section, values in built.items()
        for key, value in values.items()
        if params.section(section).get(key) != value
    ]
    if differing:
        raise StaleArtifactError(
            f"the shards of {dataset} are not what the parameters say: {'; '.join(differing)}",
            next_step=remedy,
        )

"""``ssmi-cli train``: shards in, a run folder out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.options import dataset_option, override_option
from cli.session import Session

if TYPE_CHECKING:
    from pipeline.contract.params import Params


@click.command()
@dataset_option
@click.option(
    "--run",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to write.  [default: artifacts/train/DATASET]",
)
@override_option
@click.option("--json", "as_json", is_flag=True, help="Print metrics.json instead of tables.")
@click.pass_obj
def train(session: Session, dataset: str | None, run: Path | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """Train on a data set's shards; dev picks the epoch, test is read once."""
    from cli.scores import print_scores
    from model.training import METRICS
    from model.training import train as train_model
    from pipeline.assets.resolve import find_encoder
    from pipeline.contract import manifest as manifests
    from pipeline.contract.errors import StaleArtifactError

    params = session.params(overrides)
    name = dataset or params.datasets[0]
    shards = session.root / "artifacts" / "shards" / name
    folder = run or session.root / "artifacts" / "train" / name
    built = manifests.load(shards)
    _check_parameters(params, {**built.parameters, **built.report.statistics.get("feature_parameters", {})}, name)
    built_with = built.report.statistics["encoder_digest"]
    encoder = None
    if params.model.encoder == "finetune":
        encoder = find_encoder(
            params.encoder.name, revision=params.encoder.revision, root=session.root, reporter=session.reporter
        )
        if encoder.digest != built_with:
            raise StaleArtifactError(
                f"{shards} was built with encoder {built_with[:12]}, {params.encoder.name} is {encoder.digest[:12]}",
                next_step=f"build with the encoder that you train: ssmi-cli features build --dataset {name}",
            )
    result = train_model(
        shards=shards, encoder=encoder.path if encoder else None, run=folder, params=params, reporter=session.reporter
    )
    metrics = (folder / METRICS).read_text(encoding="utf-8")
    if as_json:
        click.echo(metrics, nl=False)
        return
    print_scores(json.loads(metrics))
    click.echo(f"best epoch {result.best_epoch}; run folder {folder}")


def _check_parameters(params: Params, built: Mapping[str, Mapping[str, Any]], dataset: str) -> None:
    """Refuse to train on shards that other feature parameters made: the run would be recorded under a false name."""
    from pipeline.contract.errors import StaleArtifactError

    differing = [
        f"{section}.{key} is {value!r} in the shards, {params.section(section).get(key)!r} in the parameters"
        for section, values in built.items()
        for key, value in values.items()
        if params.section(section).get(key) != value
    ]
    if differing:
        raise StaleArtifactError(
            f"the shards of {dataset} are not what the parameters say: {'; '.join(differing)}",
            next_step=f"ssmi-cli features build --dataset {dataset} with the same parameters",
        )

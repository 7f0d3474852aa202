"""``ssmi-cli train``: shards in, a run folder out."""

from __future__ import annotations

import json
from pathlib import Path

import click

from cli.options import dataset_option, override_option
from cli.session import Session


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
    built_with = manifests.load(shards).report.statistics["encoder_digest"]
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

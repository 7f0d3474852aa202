"""``ssmi-cli encoder``: make your own encoder from another."""

from __future__ import annotations

import json
from pathlib import Path
from shlex import quote

import click

from ssmi.cli.options import dataset_option, device_option, json_option, override_option
from ssmi.cli.session import Session
from ssmi.pipeline.contract.text.wording import counted


@click.group()
def encoder() -> None:
    """Make an encoder of your own."""


@encoder.command()
@dataset_option
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to create; it must not exist.")
@click.option("--epochs", type=click.IntRange(min=1), default=10, show_default=True, help="Number of epochs.")
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=13, show_default=True, help="Seed of masks, order and dropout."
)
@click.option("--batch-size", type=click.IntRange(min=1), default=16, show_default=True, help="Sentences in a batch.")
@click.option(
    "--lr",
    type=click.FloatRange(min=0, min_open=True),
    help="Peak learning rate of the encoder.  [default: follows its width, as in training]",
)
@device_option
@override_option
@json_option
@click.pass_obj
def adapt(
    session: Session,
    dataset: str | None,
    out: Path,
    epochs: int,
    seed: int,
    batch_size: int,
    lr: float | None,
    device: str | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Continue masked-language-model training of the encoder on a data set's train and dev text (never test).

    The features must be built: their segments are the words that are masked. The new folder can be used as
    encoder.name; its adaptation.json records how it was made.
    """
    adapted = session.project.adapt_encoder(
        dataset,
        out=out,
        epochs=epochs,
        seed=seed,
        batch_size=batch_size,
        lr=lr,
        device=device,
        overrides=overrides,
    )
    made = adapted.adaptation
    if as_json:
        click.echo(json.dumps(made.model_dump(mode="json"), ensure_ascii=False, indent=1))
        return
    before, after = made.before, made.after
    click.echo(
        f"{out}: {made.parent} after {counted(len(made.epochs), 'epoch')} "
        f"on {counted(made.n_sentences, 'sentence')} of {made.dataset}"
    )
    click.echo(
        f"  held-out loss {before.loss:.3f} -> {after.loss:.3f}, guessed {before.accuracy:.1%} -> {after.accuracy:.1%}"
        f" of the masked characters{' (before: with a head of random weights)' if made.new_head else ''}"
    )
    command = f"ssmi-cli features build --dataset {quote(made.dataset)} -S encoder.name={quote(adapted.name)}"
    click.echo(f"  next: {command}, then train with the same -S")

"""``ssmi-cli report``: one page about a run: scores, confusion, and every error with its features."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ssmi.cli.options import dataset_option, device_option, json_option, run_option
from ssmi.cli.session import Session
from ssmi.pipeline.contract.errors import ParameterError


@click.command()
@dataset_option
@run_option(packed=False)
@click.option("--split", type=click.Choice(["train", "dev", "test"]), default="dev", show_default=True)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write.  [default: RUN/report-SPLIT.html]"
)
@device_option
@json_option
@click.pass_obj
def report(
    session: Session,
    dataset: str | None,
    run: Path | None,
    split: str,
    out: Path | None,
    device: str | None,
    as_json: bool,
) -> None:
    """Write one HTML page about a run: scores, confusion of types, and every error with its features.

    The page is one file that needs no network. With --run and no --dataset, the data set is the one that the run was
    trained on. If the stages of a chart are not built, the page leaves it out and says so.
    """
    # Checked before the split is tagged.
    if out is not None and not out.parent.is_dir():
        raise ParameterError(f"--out {out}: no folder {out.parent}", next_step="make it, or name another")
    result = session.project.report(dataset, run=run, split=split, out=out, device=device or "auto")
    if as_json:
        body = {"split": split, "f1": result.f1, "errors": str(result.errors), "out": str(result.path)}
        click.echo(json.dumps(body))
        return
    click.echo(f"{split}: F1 {100 * result.f1:.2f}; {result.errors}")
    click.echo(f"{result.path}")

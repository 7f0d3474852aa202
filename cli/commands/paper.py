"""``ssmi-cli paper``: make the paper's tables with any encoder, on each of its data sets that is found."""

from __future__ import annotations

import json

import click

from ssmi.cli import completion
from ssmi.cli.options import device_option, jobs_option, json_option, override_option, seeds_option, split_names
from ssmi.cli.session import Session


def _split(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(split_names(value))


@click.command()
@click.option("--encoder", metavar="NAME", help="Hub name, folder or listed encoder.  [default: encoder.name]")
@click.option(
    "--datasets",
    multiple=True,
    metavar="NAME[,NAME...]",
    shell_complete=completion.datasets,
    callback=_split,
    help="Data sets.  [default: ontonotes4, msra, weibo, resume: those that are available]",
)
@click.option(
    "--only",
    multiple=True,
    metavar="NAME[,NAME...]",
    shell_complete=completion.configurations,
    callback=_split,
    help="Configurations, see `ssmi-cli ablate --list`.  [default: BERT-CRF, SSMI and the peers]",
)
@seeds_option(default=5)
@jobs_option
@override_option
@device_option
@json_option
@click.pass_context
def paper(
    context: click.Context,
    encoder: str | None,
    datasets: tuple[str, ...],
    only: tuple[str, ...],
    n_seeds: int,
    n_jobs: int,
    overrides: tuple[str, ...],
    device: str | None,
    as_json: bool,
) -> None:
    """Make the paper's tables with any encoder, and write one page that shows them beside the paper's figures.

    Features of every data set are built first. Finished runs are kept and unfinished ones continued, so the same
    command continues after Ctrl-C. The page is artifacts/paper/ENCODER/paper.md; the runs are those of `ssmi-cli
    ablate`.
    """
    from ssmi import Interrupted
    from ssmi.cli.failures import INTERRUPTED, print_failure

    session: Session = context.obj
    try:
        result = session.project.paper(
            encoder,
            datasets=datasets,
            only=only,
            n_seeds=n_seeds,
            jobs=n_jobs,
            overrides=overrides,
            device=device,
        )
    except Interrupted as interrupted:
        context.exit(
            print_failure(f"interrupted: {interrupted.message}\n  next: run the same command again", INTERRUPTED)
        )
    if as_json:
        body = {"page": str(result.page), "datasets": list(result.tables), "missing": list(result.missing)}
        click.echo(json.dumps(body, ensure_ascii=False, indent=1))
    elif result.tables:
        click.echo(result.page.read_text(encoding="utf-8"))
        click.echo(str(result.page))
    result.raise_if_diverged()

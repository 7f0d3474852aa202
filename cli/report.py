"""``ssmi-cli report``: one page about a run: scores, confusion, every error with what the features said there."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ssmi.cli.options import dataset_option, device_option, json_option, run_option
from ssmi.cli.session import Session


@click.command()
@dataset_option
@run_option
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
    trained on. Charts about features are left out, and the page says so, where their stages are not built.
    """
    from ssmi.cli.runs import scored_run

    if out is not None and not out.parent.is_dir():
        raise click.UsageError(f"--out {out}: no folder {out.parent}")
    folder, name = scored_run(session, run=run, dataset=dataset)
    artifacts = session.project.paths.folder
    target = out or folder / f"report-{split}.html"
    from ssmi.pipeline.contract.tables import writing
    from ssmi.report.build import build

    page = build(
        run=folder,
        title=f"{name}, {split}",
        run_name=_name_of(folder, session.root),
        artifacts=artifacts,
        dataset=name,
        split=split,
        device=device or "auto",
        reporter=session.reporter,
    )
    with writing(target) as temporary:
        temporary.write_text(page.html, encoding="utf-8", newline="\n")
    if as_json:
        click.echo(json.dumps({"split": split, "f1": page.f1, "errors": page.errors, "out": str(target)}))
        return
    click.echo(f"{split}: F1 {100 * page.f1:.2f}; {page.errors}")
    click.echo(f"{target}")


def _name_of(run: Path, root: Path) -> str:
    """A run's folder below the project; elsewhere its last name alone, because a page travels and paths do not."""
    whole = run.resolve()
    return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else whole.name

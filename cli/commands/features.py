"""``ssmi-cli features``: build all stages for a data set, or run one of them as dvc.yaml does."""

from __future__ import annotations

import json

import click

from ssmi.cli.options import (
    corpus_options,
    dataset_option,
    executor_options,
    json_option,
    override_option,
    stage_version_option,
)
from ssmi.cli.session import Session
from ssmi.cli.usage import CommandGroup
from ssmi.pipeline.contract.stages import STAGES


@click.group(cls=CommandGroup)
def features() -> None:
    """Build features: raw text to Parquet shards.

    `build` runs whatever is not current; the single stages always run, as `dvc repro` asks them to.
    """


@features.command()
@dataset_option
@corpus_options
@executor_options
@override_option
@click.option("--force", is_flag=True, help="Run every stage, current or not.")
@json_option
@click.pass_obj
def build(
    session: Session,
    dataset: str | None,
    corpus: str | None,
    like: str | None,
    workers: int,
    scheduler: str | None,
    overrides: tuple[str, ...],
    force: bool,
    as_json: bool,
) -> None:
    """Run every stage that is not current.

    In one process, or on workers. DVC is told where the project is under it. With --corpus the same tables are made of
    text without labels, for a run on the data set --like to tag (`ssmi-cli predict --shards`), and to query.
    """
    result = session.project.build_features(
        dataset, corpus=corpus, like=like, workers=workers, scheduler=scheduler, overrides=overrides, force=force
    )
    if as_json:
        click.echo(json.dumps({one.name: one.state for one in result.stages}, indent=1))
        return
    for one in result.stages:
        click.echo(f"{one.name:<10} {one.state:<8} {one.folder.relative_to(session.root)}")


# A function, so that each command keeps a stage_name of its own; in the loop below all would share the last.
def _stage_command(stage_name: str, summary: str) -> click.Command:
    @click.command(stage_name, help=summary)
    @dataset_option
    @corpus_options
    @executor_options
    @override_option
    @stage_version_option
    @click.pass_obj
    def command(
        session: Session,
        dataset: str | None,
        corpus: str | None,
        like: str | None,
        workers: int,
        scheduler: str | None,
        overrides: tuple[str, ...],
        stage_version: int | None,
    ) -> None:
        from ssmi.dvc import pipeline_file

        pipeline_file.check_version(stage_name, stage_version)
        report = session.project.run_stage(
            stage_name,
            dataset,
            corpus=corpus,
            like=like,
            workers=workers,
            scheduler=scheduler,
            overrides=overrides,
        )
        skipped = "".join(f", {count:,} {reason}" for reason, count in report.skipped.items())
        click.echo(f"{stage_name}: {report.rows_in:,} rows in, {report.rows_out:,} out{skipped}")

    return command


# From the contract, which imports neither torch nor dask: the help loads no stage.
for _name, _stage in STAGES.items():
    features.add_command(_stage_command(_name, f"{_stage.summary[0].upper()}{_stage.summary[1:]}."))

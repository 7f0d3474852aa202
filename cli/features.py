"""``ssmi-cli features``: build all stages for a data set, or run one of them as dvc.yaml does."""

from __future__ import annotations

import json

import click

from ssmi.cli.options import dataset_option, executor_options, json_option, override_option, stage_version_option
from ssmi.cli.session import Session

STAGES = {
    "vocab": "Word vectors to vocabulary, trie and character index.",
    "prepare": "Raw files to sentences with gold entities.",
    "segment": "Sentences to word segments.",
    "embed": "Segments to vectors, BERT's for those outside the vocabulary.",
    "selection": "Best boundary, boundary set and negatives of each character by cosine.",
    "pmi": "Match events counted on train; each character's local boundary.",
    "shards": "All features to the shards that the trainer reads.",
}


@click.group()
def features() -> None:
    """Build features: raw text to Parquet shards.

    `build` runs whatever is not current; the single stages always run, as `dvc repro` asks them to.
    """


@features.command()
@dataset_option
@executor_options
@override_option
@click.option("--force", is_flag=True, help="Run every stage, current or not.")
@json_option
@click.pass_obj
def build(
    session: Session,
    dataset: str | None,
    workers: int,
    scheduler: str | None,
    overrides: tuple[str, ...],
    force: bool,
    as_json: bool,
) -> None:
    """Run every stage that is not current, in one process or on workers, and tell DVC."""
    from ssmi import dvc
    from ssmi.pipeline.executor import open_executor
    from ssmi.pipeline.stages.registry import build as build_stages
    from ssmi.pipeline.stages.stage import StageContext

    params = session.params(overrides)
    name = dataset or params.datasets[0]
    with open_executor(workers=workers, scheduler=scheduler) as executor:
        context = StageContext(session.root, name, params, executor, session.reporter)
        built = list(build_stages(context, force=force))
    if as_json:
        click.echo(json.dumps({one.stage.name: "built" if one.ran else "current" for one in built}, indent=1))
    for one in [] if as_json else built:
        state = "built" if one.ran else "current"
        click.echo(f"{one.stage.name:<10} {state:<8} {context.folder(one.stage.name).relative_to(session.root)}")
    dvc.record(session.project, name, [one.stage.name for one in built], overridden=bool(overrides))


def _stage_command(stage_name: str, summary: str) -> click.Command:
    @click.command(stage_name, help=summary)
    @dataset_option
    @executor_options
    @override_option
    @stage_version_option
    @click.pass_obj
    def command(
        session: Session,
        dataset: str | None,
        workers: int,
        scheduler: str | None,
        overrides: tuple[str, ...],
        stage_version: int | None,
    ) -> None:
        from ssmi import dvc_file
        from ssmi.pipeline.executor import open_executor
        from ssmi.pipeline.stages.registry import get_stage
        from ssmi.pipeline.stages.stage import StageContext, run

        dvc_file.check_version(stage_name, stage_version)
        params = session.params(overrides)
        with open_executor(workers=workers, scheduler=scheduler) as executor:
            context = StageContext(session.root, dataset or params.datasets[0], params, executor, session.reporter)
            manifest = run(get_stage(stage_name), context)
        report = manifest.report
        skipped = "".join(f", {count:,} {reason}" for reason, count in report.skipped.items())
        click.echo(f"{stage_name}: {report.rows_in:,} rows in, {report.rows_out:,} out{skipped}")

    return command


for _name, _summary in STAGES.items():
    features.add_command(_stage_command(_name, _summary))

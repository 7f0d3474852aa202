"""``ssmi-cli features``: build all stages for a data set or a corpus, or run one of them as dvc.yaml does.

Values of ``build_options`` are passed on unchanged, under the argument names of ``Project``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import click

from ssmi.cli.build_options import build_options, stage_version_option
from ssmi.cli.failures import RUN_AGAIN, resumable
from ssmi.cli.options import json_option
from ssmi.cli.session import Session
from ssmi.cli.usage import CommandGroup
from ssmi.pipeline.contract.project.stages import STAGES
from ssmi.pipeline.contract.text.wording import counted, is_or_are

_AGAIN_FROM_THE_START = "run the same command again; because of --force it begins with the first stage"


@click.group(cls=CommandGroup)
def features() -> None:
    """Build features: raw text to Parquet shards.

    `build` runs the stages that are not up to date; a single stage always runs, as `dvc repro` expects.
    """


@features.command()
@build_options
@click.option(
    "--force", is_flag=True, help="Run every stage, even if up to date; a corpus may replace another of its name."
)
@json_option
@click.pass_obj
def build(session: Session, /, force: bool, as_json: bool, **chosen: Any) -> None:
    """Run every stage that is not up to date.

    Runs in one process, or on workers. If the project uses DVC, the result is recorded in dvc.lock. With --corpus the
    same tables are built from text without labels, to be tagged (`ssmi-cli predict --shards`) or queried.
    """
    with resumable(_AGAIN_FROM_THE_START if force else RUN_AGAIN):
        result = session.project.build_features(force=force, **chosen)
    if as_json:
        click.echo(json.dumps({one.name: one.state for one in result.stages}, indent=1))
        return
    for one in result.stages:
        click.echo(f"{one.name:<10} {one.state:<8} {one.folder.relative_to(session.root)}")


@features.command("run")
@click.argument("stage_name", metavar="STAGE", type=click.Choice(list(STAGES)))
@build_options
@click.option("--part", metavar="I/N", help="Run the I-th of N shares of the parts.")
@click.pass_obj
def run(session: Session, /, stage_name: str, part: str | None, **chosen: Any) -> None:
    """Run one stage, or one share of its parts (for job arrays, for example).

    With --part, N independent processes run one share each; a last call without --part joins the parts. A stage
    that needs all parts before it can continue ends early and says so: start the N processes again.
    """
    if part is None:
        _run_stage(session, stage_name, chosen)
        return
    with resumable(RUN_AGAIN):
        done = session.project.run_stage(stage_name, part=share_of(part), **chosen)
    if done.current:
        click.echo(f"{stage_name}: already current, nothing to do for part {done.share}")
        return
    line = f"{stage_name}: part {done.share} is done"
    if done.missing:
        others = f"{counted(done.missing, 'part')} of others {is_or_are(done.missing)} missing"
        line += f"; {done.label}: {others}: run all parts again when they have ended"
    click.echo(line)


def share_of(text: str) -> tuple[int, int]:
    """Parse ``2/4`` into two numbers. Raises BadParameter for any other form."""
    match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
    if match is None:
        raise click.BadParameter(f"{text!r} is not I/N; the second of four is 2/4", param_hint="--part")
    return int(match[1]), int(match[2])


def _run_stage(session: Session, stage_name: str, chosen: Mapping[str, Any]) -> None:
    with resumable(RUN_AGAIN):
        report = session.project.run_stage(stage_name, **chosen)
    skipped = "".join(f", {count:,} {reason}" for reason, count in report.skipped.items())
    click.echo(f"{stage_name}: {report.rows_in:,} rows in, {report.rows_out:,} out{skipped}")


# A function, so that each command keeps its own stage_name; in the loop below, all would share the last.
def _stage_command(stage_name: str, summary: str) -> click.Command:
    @click.command(stage_name, help=summary)
    @build_options
    @stage_version_option
    @click.pass_obj
    def command(session: Session, /, stage_version: int | None, **chosen: Any) -> None:
        from ssmi.dvc import pipeline_file

        pipeline_file.check_version(stage_name, stage_version)
        _run_stage(session, stage_name, chosen)

    return command


# STAGES comes from the contract, which imports neither torch nor dask, so the help loads no stage.
for _name, _stage in STAGES.items():
    features.add_command(_stage_command(_name, f"{_stage.summary[0].upper()}{_stage.summary[1:]}."))

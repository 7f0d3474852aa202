"""``ssmi-cli verify``: check that the project's artifacts are as they were written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from ssmi.cli.options import json_option
from ssmi.cli.session import Session

if TYPE_CHECKING:
    from ssmi.verification import Verification


@click.command()
@click.option("--deep", is_flag=True, help="Compare every byte, not only names, sizes and manifests.")
@json_option
@click.pass_context
def verify(ctx: click.Context, deep: bool, as_json: bool) -> None:
    """Check that the files of stages, runs and ablations below artifacts/ are unchanged.

    The exit code is 5 if a file is missing, changed or unexpected.
    """
    from ssmi.pipeline.contract.errors import StaleArtifactError

    session: Session = ctx.obj
    found = session.project.verify(deep=deep)
    if as_json:
        click.echo(json.dumps(_body(found), ensure_ascii=False, indent=1))
    else:
        _print(found)
    if found.findings:
        ctx.exit(StaleArtifactError.exit_code)


def _body(found: Verification) -> dict[str, Any]:
    from ssmi.verification import FileState

    return {
        "deep": found.deep,
        "folders": [
            {"folder": str(one.path), **{str(state): one.count(state) for state in FileState}} for one in found.folders
        ],
        "findings": [
            {"file": str(one.path), "state": str(one.state), "problem": one.problem, "next": one.next_step}
            for one in found.findings
        ],
    }


def _print(found: Verification) -> None:
    from ssmi.cli.terminal.tables import print_table
    from ssmi.verification import FileState

    rows = [(one.path, *(one.count(state) for state in FileState)) for one in found.folders]
    print_table(("folder", *map(str, FileState)), rows)
    if found.findings:
        wrong = [(one.path, f"{one.state} {one.problem}".strip(), one.next_step) for one in found.findings]
        print_table(("file", "is", "next"), wrong)
    elif not found.deep:
        click.echo("names and sizes are as written; --deep compares every byte")

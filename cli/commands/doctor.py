"""``ssmi-cli doctor``: facts about the installation, for bug reports and first steps."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ssmi.cli.options import json_option
from ssmi.cli.session import Session

NO_PROJECT = "none here (no params.yaml upward): run inside a project, or --project"


@click.command()
@json_option
@click.pass_obj
def doctor(session: Session, as_json: bool) -> None:
    """Say what is installed, found and missing."""
    from ssmi.cli.terminal.tables import print_table
    from ssmi.doctor import diagnose

    facts = diagnose(session.project_option or Path(), upward=session.project_option is None)
    rows: dict[str, object] = {
        "python": facts.python,
        "cpu cores": facts.cpu_cores,
        **{name: version or "missing" for name, version in facts.libraries.items()},
        **{f"{name} from": origin for name, origin in facts.packages.items()},
        "project": facts.project,
        "cache (SSMI_CACHE)": facts.cache,
        "SSMI_DATA": "not set" if facts.data_folder is None else facts.data_folder,
        "encoder (encoder.name)": facts.encoder,
        "graphics card": facts.graphics_card or "none: training runs on the CPU",
    }
    assets = [(asset.name, asset.kind, asset.found) for asset in facts.assets]
    if as_json:
        listed = [dict(zip(("asset", "kind", "found"), asset, strict=True)) for asset in assets]
        click.echo(json.dumps({**rows, "assets": listed}, ensure_ascii=False, indent=1, default=str))
        return
    # The wording is for people only: in JSON, no project is null.
    print_table(("what", "found"), list((rows | {"project": facts.project or NO_PROJECT}).items()))
    print_table(("asset", "kind", "found"), assets)

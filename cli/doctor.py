"""``ssmi-cli doctor``: what a bug report or a first hour needs to know."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ssmi.cli.options import json_option
from ssmi.cli.session import Session
from ssmi.pipeline.contract.errors import SsmiError

LIBRARIES = (
    "torch", "transformers", "pyarrow", "polars", "duckdb", "dask", "gensim", "jieba", "rjieba", "daachorse",
    "pytorch-crf", "safetensors", "dvc",
)  # fmt: skip


@click.command()
@json_option
@click.pass_obj
def doctor(session: Session, as_json: bool) -> None:
    """Say what is installed, found and missing."""
    import os
    import platform
    from importlib import metadata, util

    from ssmi.cli.tables import print_table
    from ssmi.pipeline.assets.cache import cache_root
    from ssmi.pipeline.assets.resolve import list_assets

    def version(name: str) -> str:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            return "missing"

    places = [(name, getattr(util.find_spec(name), "origin", None)) for name in ("pipeline", "model", "ssmi", "cli")]
    rows: list[tuple[str, object]] = [
        ("python", platform.python_version()),
        ("cpu cores", os.cpu_count()),
        *((name, version(name)) for name in LIBRARIES),
        *((f"{name} from", place) for name, place in places),
        ("project", session.project_folder or "none here (no params.yaml upward): run inside a project, or --project"),
        ("cache (SSMI_CACHE)", cache_root()),
        ("SSMI_DATA", os.environ.get("SSMI_DATA", "not set")),
        ("encoder (encoder.name)", _encoder(session)),
        ("graphics card", _graphics_card()),
    ]
    assets = [(a.name, a.kind, a.found) for a in list_assets(root=session.project_folder or Path.cwd())]
    if as_json:
        found = {name: None if name == "project" and session.project_folder is None else value for name, value in rows}
        listed = [dict(zip(("asset", "kind", "found"), asset, strict=True)) for asset in assets]
        click.echo(json.dumps({**found, "assets": listed}, ensure_ascii=False, indent=1, default=str))
        return
    print_table(("what", "found"), rows)
    print_table(("asset", "kind", "found"), assets)


def _encoder(session: Session) -> str:
    from ssmi.pipeline.assets.resolve import encoder_at_hand

    try:
        name = session.params().encoder.name
    except SsmiError as error:
        return error.message
    return f"{name}: {encoder_at_hand(name, root=session.root)}"


def _graphics_card() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "none: training runs on the CPU"

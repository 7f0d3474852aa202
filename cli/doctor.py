"""``ssmi-cli doctor``: what a bug report or a first hour needs to know."""

from __future__ import annotations

import click

from cli.session import Session
from pipeline.contract.errors import SsmiError

LIBRARIES = (
    "torch", "transformers", "pyarrow", "polars", "duckdb", "dask", "gensim", "jieba", "rjieba", "daachorse",
    "pytorch-crf", "safetensors", "dvc",
)  # fmt: skip


@click.command()
@click.pass_obj
def doctor(session: Session) -> None:
    """Say what is installed, found and missing."""
    import os
    import platform
    from importlib import metadata, util

    from cli.tables import print_table
    from pipeline.assets.cache import cache_root
    from pipeline.assets.resolve import list_assets

    def version(name: str) -> str:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            return "missing"

    places = [(name, getattr(util.find_spec(name), "origin", None)) for name in ("pipeline", "model", "ssmi", "cli")]
    rows = [
        ("python", platform.python_version()),
        ("cpu cores", os.cpu_count()),
        *((name, version(name)) for name in LIBRARIES),
        *((f"{name} from", place) for name, place in places),
        ("project", session.root),
        ("cache (SSMI_CACHE)", cache_root()),
        ("SSMI_DATA", os.environ.get("SSMI_DATA", "not set")),
        ("encoder (encoder.name)", _encoder(session)),
        ("graphics card", _graphics_card()),
    ]
    print_table(("what", "found"), rows)
    print_table(("asset", "kind", "found"), [(a.name, a.kind, a.found) for a in list_assets(root=session.root)])


def _encoder(session: Session) -> str:
    from pipeline.assets.resolve import encoder_at_hand

    try:
        name = session.params().encoder.name
    except SsmiError as error:
        return error.message
    return f"{name}: {encoder_at_hand(name, root=session.root)}"


def _graphics_card() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "none: training runs on the CPU"

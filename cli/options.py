"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

Decorated = Callable[..., Any]


def dataset_option(command: Decorated) -> Decorated:
    """``--dataset NAME``; without it the first of params.yaml."""
    return click.option(
        "--dataset",
        metavar="NAME",
        callback=_plain_name,
        help="Data set.  [default: the first of params.yaml's datasets]",
    )(command)


def _plain_name(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    from pipeline.contract.params import check_dataset_name

    return None if value is None else check_dataset_name(value)


def override_option(command: Decorated) -> Decorated:
    """``-S section.key=value``, as often as wanted."""
    return click.option(
        "-S", "--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Override a parameter."
    )(command)


def executor_options(command: Decorated) -> Decorated:
    """``--workers`` and ``--scheduler``; serial without them."""
    command = click.option(
        "--workers", type=click.IntRange(min=0), default=0, envvar="SSMI_WORKERS", help="Local worker processes."
    )(command)
    return click.option(
        "--scheduler", metavar="ADDRESS", envvar="SSMI_SCHEDULER", help="Dask scheduler, e.g. tcp://10.0.0.1:8786."
    )(command)

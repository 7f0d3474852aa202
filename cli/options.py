"""Options that several commands share, each with one meaning everywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from ssmi.cli import completion
from ssmi.pipeline.contract.parameters.limits import MAX_REPEATS
from ssmi.pipeline.contract.user_files import require_file

Decorated = Callable[..., Any]
_MAX_DIGITS = 9


class InputFile(click.Path):
    """Path of a file that the command reads; ``-`` for standard input if ``allow_dash``.

    A missing or unreadable file raises the same error as from Python: an error about a file, not about usage.
    """

    def __init__(self, *, allow_dash: bool = False) -> None:
        super().__init__(dir_okay=False, allow_dash=allow_dash, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert to a path. Raises the errors of ``require_file``."""
        # Before click's own checks, which report a folder as wrong usage (exit code 2).
        if not (self.allow_dash and str(value) == "-"):
            require_file(Path(value), pipes=self.allow_dash)  # a command that accepts a pipe reads its input once
        return super().convert(value, param, ctx)


def dataset_option(command: Decorated) -> Decorated:
    """``--dataset NAME``; by default the first data set of params.yaml."""
    return click.option(
        "--dataset",
        metavar="NAME",
        callback=plain_name,
        shell_complete=completion.datasets,
        help="Data set.  [default: the first of params.yaml's datasets]",
    )(command)


def plain_name(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Validate the name of a data set. Raises ParameterError if it cannot name a folder of artifacts."""
    from ssmi.pipeline.contract.project.dataset_names import check_dataset_name

    return None if value is None else check_dataset_name(value)


def storage_url(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Validate the URL of ``--storage``; an empty SSMI_STORAGE counts as unset. Raises ParameterError for no URL."""
    from ssmi.workspace import check_storage

    if value is not None:
        check_storage(value, what="--storage")
    return value


def run_option(*, packed: bool) -> Callable[[Decorated], Decorated]:
    """``--run FOLDER``: an existing run, with ``packed`` also an exported one; by default the data set's run."""
    what = "Run folder, or one made by `export`." if packed else "Run folder."
    return click.option(
        "--run",
        type=click.Path(file_okay=False, path_type=Path),
        shell_complete=completion.runs,
        help=f"{what}  [default: artifacts/train/DATASET]",
    )


def device_option(command: Decorated) -> Decorated:
    """``--device NAME``: where torch computes."""
    return click.option(
        "--device",
        metavar="NAME",
        shell_complete=completion.devices,
        help="Where to compute: auto, cpu, cuda, cuda:1 ...  [default: train.device if it applies, else auto]",
    )(command)


def json_option(command: Decorated) -> Decorated:
    """``--json``: one JSON document on stdout in place of the human-readable output."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document for scripts.")(command)


def split_names(texts: Iterable[str]) -> list[str]:
    """Split comma-separated names, across all occurrences of an option."""
    return [name.strip() for text in texts for name in text.split(",")]


def seeds_option(*, default: int) -> Callable[[Decorated], Decorated]:
    """``--seeds N``: the number of seeds per row, passed as ``n_seeds``."""
    return click.option(
        "--seeds",
        "n_seeds",
        type=click.IntRange(1, MAX_REPEATS),
        default=default,
        show_default=True,
        help="Seeds per row: train.seed, +1 ...",
    )


def jobs_option(command: Decorated) -> Decorated:
    """``--jobs N|auto``: the number of runs trained at once, passed as ``n_jobs``; 0 for auto."""
    return click.option(
        "--jobs",
        "n_jobs",
        # A string, because click passes the default to the callback too.
        default="1",
        show_default=True,
        metavar="N|auto",
        callback=_jobs,
        help="Runs at once, each with one thread on a CPU; auto: one per GPU, or per physical core.",
    )(command)


def _jobs(context: click.Context, parameter: click.Parameter, value: str) -> int:
    if value == "auto":
        return 0
    # The length first, because Python refuses to convert more than 4300 digits.
    if not value.isdecimal() or len(value) > _MAX_DIGITS or int(value) < 1:
        # Not ParameterError: click records the option in BadParameter, and usage.py names it.
        raise click.BadParameter(f"{value[:40]!r} is neither auto nor a whole number from 1")
    return int(value)


def override_option(command: Decorated) -> Decorated:
    """``-S section.key=value``, repeatable."""
    return click.option(
        "-S",
        "--set",
        "overrides",
        multiple=True,
        metavar="SECTION.KEY=VALUE",
        shell_complete=completion.parameters,
        help="Override a parameter of params.yaml; repeatable.",
    )(command)


def plot_option(help_text: str) -> Callable[[Decorated], Decorated]:
    """``--plot FILE``: an .svg or .png picture in an existing folder."""
    return click.option(
        "--plot",
        "picture",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE.svg|png",
        help=help_text,
    )


def check_picture(picture: Path | None) -> None:
    """Raise ParameterError if a picture cannot be written to the file of ``--plot``."""
    if picture is not None:
        from ssmi.charts.pictures import check_picture as check

        check(picture)

"""Options of commands that build features: the data set or corpus, the executor, and parameter overrides."""

from __future__ import annotations

import click

from ssmi.cli import completion
from ssmi.cli.options import Decorated, dataset_option, override_option, plain_name


def corpus_options(command: Decorated) -> Decorated:
    """``--corpus NAME`` and ``--like DATASET``: text without labels in place of a data set."""
    command = click.option(
        "--like",
        metavar="DATASET",
        callback=plain_name,
        shell_complete=completion.datasets,
        help="With --corpus: whose map and PMI weights it gets.  [default: as --dataset]",
    )(command)
    return click.option(
        "--corpus",
        metavar="NAME",
        shell_complete=completion.corpora,
        help="Text without labels in place of a data set: a name of params.yaml's corpora, or a folder or file.",
    )(command)


def stage_version_option(command: Decorated) -> Decorated:
    """``--stage-version N``: the version in dvc.yaml, by which DVC sees that a stage computes something else."""
    return click.option(
        "--stage-version",
        type=click.IntRange(min=0),
        metavar="N",
        help="Refuse to run a stage that is not of this version; for dvc.yaml.",
    )(command)


def executor_options(command: Decorated) -> Decorated:
    """``--workers`` and ``--scheduler``; without them the work runs serially in this process."""
    command = click.option(
        "--workers", type=click.IntRange(min=0), default=0, envvar="SSMI_WORKERS", help="Local worker processes."
    )(command)
    return click.option(
        "--scheduler", metavar="ADDRESS", envvar="SSMI_SCHEDULER", help="Dask scheduler, e.g. tcp://10.0.0.1:8786."
    )(command)


def build_options(command: Decorated) -> Decorated:
    """Data set or corpus, executor and overrides, under the argument names of ``Project.run_stage``."""
    return dataset_option(corpus_options(executor_options(override_option(command))))

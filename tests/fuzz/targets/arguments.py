"""Command-line arguments that are parsed by this program."""

from __future__ import annotations

from pathlib import Path

import click

from ssmi.ablation import variants
from ssmi.cli.commands.features import share_of
from ssmi.pipeline.contract.errors import ParameterError
from ssmi.pipeline.contract.parameters import params
from ssmi.pipeline.contract.project.dataset_names import check_dataset_name
from ssmi.pipeline.parts.share import Share
from tests.fuzz.targets.target import Target, target


def _decode(path: Path) -> str:
    """Decode bytes in the same way as Python decodes arguments."""
    return path.read_bytes().decode("utf-8", "surrogateescape")


def _parse_part(path: Path) -> object:
    try:
        return Share(*share_of(_decode(path)))
    except click.UsageError as error:
        raise ParameterError(error.message, next_step="see --help") from error


def _load_override(path: Path) -> object:
    params_file = path.with_name("params.yaml")
    return params.load(params_file, overrides=[_decode(path)])


def arguments() -> list[Target]:
    """Targets that read arguments, passed as the bytes of a file."""
    return [
        target("argument --part", _parse_part, "argument", "2/4", "1/1"),
        target(
            "argument --variant",
            lambda path: variants.parse(_decode(path)),
            "argument",
            "small:base=bert-crf,model.encoder_layers=2",
            "a:against=paper,train.seed=3,selection.choice=segment",
        ),
        target(
            "argument -S",
            _load_override,
            "argument",
            "selection.threshold=0.6",
            "segment.hmm=false",
            "pmi.unlabelled=[a, b]",
            extra_files={"params.yaml": b"datasets: [a]\n"},
        ),
        target(
            "name of a data set",
            lambda path: check_dataset_name(_decode(path)),
            "argument",
            "weibo",
            "\u6211\u7684 data-1.2",
        ),
    ]

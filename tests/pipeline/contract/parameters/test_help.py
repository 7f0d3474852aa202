"""The help texts of the parameters are complete and agree with the schema."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ssmi import describe_parameters
from ssmi.pipeline.contract.errors import ParameterError
from ssmi.pipeline.contract.parameters.help import render
from ssmi.pipeline.contract.parameters.params import Params, check_params, load


def test_every_parameter_is_explained_in_sentences() -> None:
    rows = {row.name: row for row in describe_parameters()}
    default = Params().model_dump(mode="json")
    names = {
        f"{section}.{key}" if key else section
        for section, values in default.items()
        for key in (values if isinstance(values, dict) else [""])
    }
    assert rows.keys() == names
    for name, row in rows.items():
        assert re.fullmatch(r"\S.*\.", row.description), name
        assert row.default == (default[row.section][row.key] if row.section else default[row.key])


def test_types_are_described_in_words() -> None:
    types = {row.name: row.type for row in describe_parameters()}
    assert types["model.fusion"] == "none, input, layer or output"
    assert types["vocab.max_words"] == "whole number, at least 1, or null"
    assert types["train.epochs"] == "whole number, at least 1, at most 10,000"
    assert types["train.lr_crf"] == "auto, or number, above 0"
    assert types["prepare.dev_fraction"] == "number, at least 0, below 1"
    assert types["train.seed"] == "whole number, at least 0, below 2^63"
    assert types["segment.hmm"] == "true or false"
    assert types["pmi.unlabelled"] == "list of text"


def test_only_the_listed_choices_are_accepted() -> None:
    choices = {row.name: row.choices for row in describe_parameters()}
    assert choices["model.fusion"] == ("none", "input", "layer", "output")
    assert choices["train.lr_crf"] == choices["segment.hmm"] == choices["datasets"] == ()
    for row in describe_parameters():
        for value in row.choices:
            section = check_params({row.section: {row.key: value}}, source="x").section(row.section)
            assert section[row.key] == value
        if row.choices:
            assert row.default in row.choices
            with pytest.raises(ParameterError):
                check_params({row.section: {row.key: "another"}}, source="x")


def test_a_section_or_one_parameter_is_described() -> None:
    assert {row.section for row in describe_parameters("train")} == {"train"}
    (row,) = describe_parameters("train.seed")
    assert (row.name, row.default) == ("train.seed", 13)
    assert describe_parameters("datasets")[0].section == ""
    with pytest.raises(ParameterError, match=r"train\.sed: no such section or parameter.*'train\.seed'"):
        describe_parameters("train.sed")


def test_the_file_of_the_repository_is_the_rendered_one(repository: Path, tmp_path: Path) -> None:
    text = render(["sample"])
    assert (repository / "params.yaml").read_text(encoding="utf-8") == text
    assert "  engine: jieba  # jieba or rjieba\n" in text and "  hmm: true\n" in text
    path = tmp_path / "params.yaml"
    path.write_text(render(["true", "我的 数据"]), encoding="utf-8")
    assert load(path) == Params(datasets=("true", "我的 数据"))

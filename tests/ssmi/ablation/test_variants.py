"""Variants from a file or the command line: they are run as written, and invalid ones are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.ablation.variants import as_option, named, parse, read
from ssmi.configurations import CONFIGURATIONS, find
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError, ParameterError
from ssmi.pipeline.contract.parameters.params import Params


def test_a_variant_is_its_base_with_changes() -> None:
    variant = parse("small:base=bert-crf,model.encoder_layers=2,train.lr_new=1e-3,against=ssmi")
    assert (variant.name, variant.title, variant.against) == ("small", "small", "ssmi")
    assert variant.changes == {**find("bert-crf").changes, "model.encoder_layers": 2, "train.lr_new": 0.001}
    params = variant.apply(Params())
    assert (params.model.encoder_layers, params.model.fusion, params.train.lr_new) == (2, "none", 0.001)
    assert variant.summary == "bert-crf, model.encoder_layers=2, train.lr_new=0.001"
    assert not variant.changed_sections(Params())
    assert parse("rare:selection.threshold=0.9").changed_sections(Params()) == {"selection"}


def test_the_parameters_as_they_are_by_another_name() -> None:
    variant = parse("same:")
    assert variant.changes == {} and variant.against == "bert-crf"
    assert variant.apply(Params()) == Params()


def test_a_comma_within_a_value_parts_nothing() -> None:
    variant = parse("x:pmi.unlabelled=[a.txt, b.txt],model.can=false")
    assert variant.changes == {"pmi.unlabelled": ["a.txt", "b.txt"], "model.can": False}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("small", "not NAME:key=value"),
        ("small:model.can", "not NAME:key=value"),
        (":model.can=true", "'' is not a valid variant name"),
        ("../up:model.can=true", "'../up' is not a valid variant name"),
        (".hidden:model.can=true", "'.hidden' is not a valid variant name"),
        ("a b:model.can=true", "'a b' is not a valid variant name"),
        ("small:layers=2", "layers: neither base, against nor section.key"),
        ("small:base=bertcrf", "did you mean 'bert-crf'?"),
        ("small:model.can=[", "the value [ is not YAML"),
    ],
)
def test_what_is_no_variant_is_refused(text: str, said: str) -> None:
    with pytest.raises(ParameterError) as refused:
        parse(text)
    assert said in refused.value.message and refused.value.next_step


def test_a_file_given_as_a_variant_is_pointed_to_its_option() -> None:
    with pytest.raises(ParameterError) as refused:
        parse("rows.yaml")
    assert "--variants" in refused.value.next_step and "Path('rows.yaml')" in refused.value.next_step


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("small:model.encoder_layer=2", "did you mean 'encoder_layers'?"),
        ("small:modell.can=true", "modell: unknown key"),
        ("small:train.epochs=0", "train.epochs: input should be greater"),
    ],
)
def test_what_is_no_parameter_is_refused_where_it_is_applied(text: str, said: str) -> None:
    with pytest.raises(ParameterError) as refused:
        parse(text).apply(Params())
    assert refused.value.message.startswith("configuration small: ") and said in refused.value.message


values = (
    st.none() | st.booleans() | st.integers(0, 99) | st.floats(0, 1) | st.sampled_from(["none", "a, b", "x=1", "y"])
)
keys = st.sampled_from(["model.can", "model.fusion", "train.epochs", "selection.threshold", "pmi.estimator"])


@given(
    base=st.sampled_from(["ssmi", "bert-crf", "no-bert", "no-gmi"]),
    against=st.sampled_from(["bert-crf", "ssmi"]),
    changes=st.dictionaries(keys, values),
)
def test_a_variant_is_written_so_that_it_reads_back(base: str, against: str, changes: dict[str, Any]) -> None:
    words = [f"base={base}", f"against={against}", *(f"{key}={json.dumps(value)}" for key, value in changes.items())]
    variant = parse(f"mine:{','.join(words)}")
    again = parse(as_option(variant))
    assert (again.name, dict(again.changes), again.against) == ("mine", dict(variant.changes), against)


def test_a_variant_is_written_shortly() -> None:
    assert as_option(parse("s:base=bert-crf,model.encoder_layers=2")) == "s:base=bert-crf,model.encoder_layers=2"
    assert as_option(parse("t:against=s,model.can=false")) == "t:base=no-can,against=s"  # the same by another name


def test_a_file_of_variants(tmp_path: Path) -> None:
    path = tmp_path / "v.yaml"
    path.write_text("b: {base: bert-crf, model.encoder_layers: 2}\n'1': {against: b, model.gmi: none}\nc:\n")
    variants = read(path)
    assert [(each.name, each.against) for each in variants] == [("b", "bert-crf"), ("1", "b"), ("c", "bert-crf")]
    assert [dict(each.changes) for each in variants][2] == dict(parse("c:base=ssmi").changes)


@pytest.mark.parametrize(
    "text", ["a: {:  2}\n", "a: {3: 2}\n", "- a\n", "a: 2\n", "a: [model.can]\n", "just text", ": :\n: {", ""]
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "v.yaml").write_text(text)
    with pytest.raises(ParameterError, match=r"v\.yaml"):
        read(tmp_path / "v.yaml")


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingResourceError, match=r"none\.yaml: no such file"):
        read(tmp_path / "none.yaml")
    (tmp_path / "v.yaml").write_bytes(b"\xff")
    with pytest.raises(InputDataError, match="not UTF-8"):
        read(tmp_path / "v.yaml")


def test_names_are_unique_and_lead_to_rows() -> None:
    every = named([parse("a:against=b"), parse("b:")])
    assert list(every) == [*CONFIGURATIONS, "a", "b"]
    for variants, said in (
        (["a:", "a:"], "variant a: there is a configuration of this name already"),
        (["no-can:"], "variant no-can: there is"),
        (["a:against=bb", "bbb:"], "against=bb: did you mean 'bbb'?"),
    ):
        with pytest.raises(ParameterError) as refused:
            named(map(parse, variants))
        assert said in refused.value.message

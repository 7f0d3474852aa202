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


def test_a_variant_can_have_no_changes() -> None:
    variant = parse("same:")
    assert variant.changes == {} and variant.against == "bert-crf"
    assert variant.apply(Params()) == Params()


def test_commas_in_values_do_not_separate() -> None:
    variant = parse("x:pmi.unlabelled=[a.txt, b.txt],model.can=false")
    assert variant.changes == {"pmi.unlabelled": ["a.txt", "b.txt"], "model.can": False}


@pytest.mark.parametrize(
    ("text", "message"),
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
        (f"small:train.seed={'9' * 5000}", "999 is a number of thousands of digits"),
    ],
)
def test_invalid_variants_are_refused(text: str, message: str) -> None:
    with pytest.raises(ParameterError) as raised:
        parse(text)
    assert message in raised.value.message and raised.value.next_step


def test_a_file_given_as_a_variant_is_refused_with_the_right_option() -> None:
    with pytest.raises(ParameterError) as raised:
        parse("rows.yaml")
    assert "--variants" in raised.value.next_step and "Path('rows.yaml')" in raised.value.next_step


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("small:model.encoder_layer=2", "did you mean 'encoder_layers'?"),
        ("small:modell.can=true", "modell: unknown key"),
        ("small:train.epochs=0", "train.epochs: expected a number of at least 1, got 0"),
    ],
)
def test_invalid_parameters_are_refused_when_applied(text: str, message: str) -> None:
    with pytest.raises(ParameterError) as raised:
        parse(text).apply(Params())
    assert raised.value.message.startswith("configuration small: ") and message in raised.value.message


values = (
    st.none() | st.booleans() | st.integers(0, 99) | st.floats(0, 1) | st.sampled_from(["none", "a, b", "x=1", "y"])
)
keys = st.sampled_from(["model.can", "model.fusion", "train.epochs", "selection.threshold", "pmi.estimator"])


@given(
    base=st.sampled_from(["ssmi", "bert-crf", "no-bert", "no-gmi"]),
    against=st.sampled_from(["bert-crf", "ssmi"]),
    changes=st.dictionaries(keys, values),
)
def test_a_written_variant_can_be_read_back(base: str, against: str, changes: dict[str, Any]) -> None:
    words = [f"base={base}", f"against={against}", *(f"{key}={json.dumps(value)}" for key, value in changes.items())]
    variant = parse(f"mine:{','.join(words)}")
    reread = parse(as_option(variant))
    assert (reread.name, dict(reread.changes), reread.against) == ("mine", dict(variant.changes), against)


def test_a_variant_is_written_concisely() -> None:
    assert as_option(parse("s:base=bert-crf,model.encoder_layers=2")) == "s:base=bert-crf,model.encoder_layers=2"
    assert as_option(parse("t:against=s,model.can=false")) == "t:base=no-can,against=s"  # the same by another name


def test_variants_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "v.yaml"
    path.write_text("b: {base: bert-crf, model.encoder_layers: 2}\n'1': {against: b, model.gmi: none}\nc:\n")
    variants = read(path)
    assert [(variant.name, variant.against) for variant in variants] == [
        ("b", "bert-crf"),
        ("1", "b"),
        ("c", "bert-crf"),
    ]
    assert [dict(variant.changes) for variant in variants][2] == dict(parse("c:base=ssmi").changes)


@pytest.mark.parametrize(
    "text", ["a: {:  2}\n", "a: {3: 2}\n", "- a\n", "a: 2\n", "a: [model.can]\n", "just text", ": :\n: {", ""]
)
def test_an_invalid_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "v.yaml").write_text(text)
    with pytest.raises(ParameterError, match=r"v\.yaml"):
        read(tmp_path / "v.yaml")


def test_a_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingResourceError, match=r"none\.yaml: no such file"):
        read(tmp_path / "none.yaml")
    (tmp_path / "v.yaml").write_bytes(b"\xff")
    with pytest.raises(InputDataError, match="not UTF-8"):
        read(tmp_path / "v.yaml")


def test_names_are_unique_and_baselines_exist() -> None:
    configurations = named([parse("a:against=b"), parse("b:")])
    assert list(configurations) == [*CONFIGURATIONS, "a", "b"]
    for variants, message in (
        (["a:", "a:"], "variant a: there is a configuration of this name already"),
        (["no-can:"], "variant no-can: there is"),
        (["a:against=bb", "bbb:"], "against=bb: did you mean 'bbb'?"),
    ):
        with pytest.raises(ParameterError) as raised:
            named(map(parse, variants))
        assert message in raised.value.message

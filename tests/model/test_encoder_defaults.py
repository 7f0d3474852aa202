"""Learning rates and depth: defaults that depend on the encoder, and values set by the user."""

from __future__ import annotations

import pytest

from ssmi.model.encoder_defaults import SIZES, describe, resolve, size_of
from ssmi.pipeline.contract.parameters import params as parameters
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.parquet.statistics import EncoderSize


def _params(**train: object) -> Params:
    return parameters.check_params({"train": train}, source="test")


@pytest.mark.parametrize(
    ("width", "name", "rate"),
    [(32, "small", 2e-4), (384, "small", 2e-4), (512, "base", 3e-5), (768, "base", 3e-5), (1024, "large", 1e-5)],
)
def test_the_width_tells_the_row(width: int, name: str, rate: float) -> None:
    assert size_of(width).name == name
    assert resolve(_params(), EncoderSize(width, 12)).train.lr_encoder == rate


def test_the_table_falls_with_the_width_and_names_its_sources() -> None:
    rates = [size.rates.lr_encoder for size in SIZES]
    assert rates == sorted(rates, reverse=True) and all(size.source for size in SIZES)
    # the rates of BERT-base and BERT-large stay within their authors' recommendations
    assert 2e-5 <= size_of(768).rates.lr_encoder <= 5e-5 and size_of(1024).rates.lr_encoder <= 3e-5


def test_what_is_set_stays() -> None:
    params = _params(lr_encoder=7e-5, lr_crf=0.5)
    resolved = resolve(params, EncoderSize(768, 12))
    assert (resolved.train.lr_encoder, resolved.train.lr_crf) == (7e-5, 0.5)
    assert (resolved.train.lr_boundaries, resolved.train.lr_new) == (1e-4, 1e-3)
    assert resolve(resolved, EncoderSize(384, 12)) == resolved
    assert resolved.train.epochs == params.train.epochs


def test_one_line_tells_every_rate_and_who_chose_it() -> None:
    small, base = EncoderSize(384, 2), EncoderSize(768, 12)
    layers, line = describe(_params(), small).splitlines()
    assert layers == "encoder: all 2 layers"
    rates = "encoder 0.0002, boundaries 0.0001, CRF 0.1, other parts 0.001"
    assert line == f"learning rates: {rates} (all for a small encoder, width 384)"
    partly = describe(_params(lr_encoder=1e-4, lr_new=1e-3), base)
    assert partly.endswith("(lr_boundaries, lr_crf for a base encoder, width 768)") and "encoder 0.0001" in partly
    given = dict.fromkeys(("lr_encoder", "lr_boundaries", "lr_crf", "lr_new"), 1e-3)
    assert describe(_params(**given), base).endswith("other parts 0.001")


@pytest.mark.parametrize(
    ("encoder", "given", "width", "layers", "used"),
    [
        ("finetune", "auto", 384, 12, 4),
        ("finetune", "auto", 384, 4, None),  # the encoder has only four layers: all are trained
        ("finetune", "auto", 384, 2, None),
        ("finetune", "auto", 768, 12, None),
        ("finetune", 2, 384, 12, 2),
        ("finetune", None, 384, 12, None),
        ("upper", "auto", 384, 12, None),  # all layers above the stored states
        ("frozen", "auto", 384, 12, None),
        ("none", "auto", 384, 12, None),
    ],
)
def test_the_depth_follows_the_encoder(encoder: str, given: object, width: int, layers: int, used: int | None) -> None:
    model = {"encoder": encoder, "fusion": "output", "encoder_layers": given}
    params = parameters.check_params({"model": model}, source="test")
    resolved = resolve(params, EncoderSize(width, layers))
    assert resolved.model.encoder_layers == used
    assert resolve(resolved, EncoderSize(width, layers)) == resolved


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("auto", "encoder: the first 4 of 12 layers (model.encoder_layers: auto; null takes all)"),
        (2, "encoder: the first 2 of 12 layers"),
        (None, "encoder: all 12 layers"),
    ],
)
def test_a_line_tells_which_layers_are_trained(given: object, said: str) -> None:
    params = parameters.check_params({"model": {"encoder_layers": given}}, source="test")
    first, second = describe(params, EncoderSize(384, 12)).splitlines()
    assert first == said and second.startswith("learning rates:")


@pytest.mark.parametrize("encoder", ["upper", "frozen", "none"])
def test_where_no_whole_encoder_is_trained_no_line_tells_its_layers(encoder: str) -> None:
    params = parameters.check_params({"model": {"encoder": encoder, "fusion": "output"}}, source="test")
    assert describe(params, EncoderSize(384, 12)).startswith("learning rates:")

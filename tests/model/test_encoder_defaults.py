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
def test_width_selects_the_size(width: int, name: str, rate: float) -> None:
    assert size_of(width).name == name
    assert resolve(_params(), EncoderSize(width, 12)).train.lr_encoder == rate


def test_rates_fall_with_the_width_and_name_their_sources() -> None:
    rates = [size.rates.lr_encoder for size in SIZES]
    assert rates == sorted(rates, reverse=True) and all(size.source for size in SIZES)
    # the rates of BERT-base and BERT-large stay within their authors' recommendations
    assert 2e-5 <= size_of(768).rates.lr_encoder <= 5e-5 and size_of(1024).rates.lr_encoder <= 3e-5


def test_user_values_are_kept() -> None:
    params = _params(lr_encoder=7e-5, lr_crf=0.5)
    resolved = resolve(params, EncoderSize(768, 12))
    assert (resolved.train.lr_encoder, resolved.train.lr_crf) == (7e-5, 0.5)
    assert (resolved.train.lr_boundaries, resolved.train.lr_new) == (1e-4, 1e-3)
    assert resolve(resolved, EncoderSize(384, 12)) == resolved
    assert resolved.train.epochs == params.train.epochs


def test_every_rate_and_its_origin_are_reported() -> None:
    small, base = EncoderSize(384, 2), EncoderSize(768, 12)
    layers, line = describe(_params(), small).splitlines()
    assert layers == "encoder: all 2 layers"
    rates = "encoder 0.0002, boundaries 0.0001, CRF 0.1, other parts 0.001"
    assert line == f"learning rates: {rates} (all for a small encoder, width 384)"
    partly = describe(_params(lr_encoder=1e-4, lr_new=1e-3), base)
    assert partly.endswith("(lr_boundaries, lr_crf for a base encoder, width 768)") and "encoder 0.0001" in partly
    all_set = dict.fromkeys(("lr_encoder", "lr_boundaries", "lr_crf", "lr_new"), 1e-3)
    assert describe(_params(**all_set), base).endswith("other parts 0.001")


@pytest.mark.parametrize(
    ("encoder", "setting", "width", "layers", "expected"),
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
def test_the_depth_follows_the_encoder(
    encoder: str, setting: object, width: int, layers: int, expected: int | None
) -> None:
    model = {"encoder": encoder, "fusion": "output", "encoder_layers": setting}
    params = parameters.check_params({"model": model}, source="test")
    resolved = resolve(params, EncoderSize(width, layers))
    assert resolved.model.encoder_layers == expected
    assert resolve(resolved, EncoderSize(width, layers)) == resolved


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("auto", "encoder: the first 4 of 12 layers (model.encoder_layers: auto; null takes all)"),
        (2, "encoder: the first 2 of 12 layers"),
        (None, "encoder: all 12 layers"),
    ],
)
def test_trained_layers_are_reported(setting: object, message: str) -> None:
    params = parameters.check_params({"model": {"encoder_layers": setting}}, source="test")
    first, second = describe(params, EncoderSize(384, 12)).splitlines()
    assert first == message and second.startswith("learning rates:")


@pytest.mark.parametrize("encoder", ["upper", "frozen", "none"])
def test_layers_are_not_reported_without_a_full_encoder(encoder: str) -> None:
    params = parameters.check_params({"model": {"encoder": encoder, "fusion": "output"}}, source="test")
    assert describe(params, EncoderSize(384, 12)).startswith("learning rates:")

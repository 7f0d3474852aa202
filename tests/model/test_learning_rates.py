"""Learning rates that follow the encoder, and those that a person sets."""

from __future__ import annotations

import pytest

from ssmi.model.learning_rates import SIZES, describe, resolve, size_of
from ssmi.pipeline.contract.parameters import params as parameters
from ssmi.pipeline.contract.parameters.params import Params


def _params(**train: object) -> Params:
    return parameters.check_params({"train": train}, source="test")


@pytest.mark.parametrize(
    ("width", "name", "rate"),
    [(32, "small", 2e-4), (384, "small", 2e-4), (512, "base", 3e-5), (768, "base", 3e-5), (1024, "large", 1e-5)],
)
def test_the_width_tells_the_row(width: int, name: str, rate: float) -> None:
    assert size_of(width).name == name
    assert resolve(_params(), encoder_width=width).train.lr_encoder == rate


def test_the_table_falls_with_the_width_and_names_its_sources() -> None:
    rates = [size.rates.lr_encoder for size in SIZES]
    assert rates == sorted(rates, reverse=True) and all(size.source for size in SIZES)
    # BERT-base and large stay within what their authors recommend
    assert 2e-5 <= size_of(768).rates.lr_encoder <= 5e-5 and size_of(1024).rates.lr_encoder <= 3e-5


def test_what_is_set_stays() -> None:
    params = _params(lr_encoder=7e-5, lr_crf=0.5)
    resolved = resolve(params, encoder_width=768)
    assert (resolved.train.lr_encoder, resolved.train.lr_crf) == (7e-5, 0.5)
    assert (resolved.train.lr_boundaries, resolved.train.lr_new) == (1e-4, 1e-3)
    assert resolve(resolved, encoder_width=384) == resolved
    assert resolved.model == params.model and resolved.train.epochs == params.train.epochs


def test_one_line_tells_every_rate_and_who_chose_it() -> None:
    line = describe(_params(), encoder_width=384)
    rates = "encoder 0.0002, boundaries 0.0001, CRF 0.1, other parts 0.001"
    assert line == f"learning rates: {rates} (all for a small encoder, width 384)"
    partly = describe(_params(lr_encoder=1e-4, lr_new=1e-3), encoder_width=768)
    assert partly.endswith("(lr_boundaries, lr_crf for a base encoder, width 768)") and "encoder 0.0001" in partly
    given = dict.fromkeys(("lr_encoder", "lr_boundaries", "lr_crf", "lr_new"), 1e-3)
    assert describe(_params(**given), encoder_width=768).endswith("other parts 0.001")

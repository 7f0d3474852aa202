"""Defaults that follow the encoder: what ``train.lr_*: auto`` and ``model.encoder_layers: auto`` come to.

A rate that tunes a small encoder within a few epochs destroys a large one, and the rate of a large one leaves a small
one untrained. The encoder's width selects the row of ``SIZES``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from ssmi.pipeline.contract.parameters.params import ModelParams, Params
from ssmi.pipeline.contract.parquet.statistics import EncoderSize


@dataclass(frozen=True, slots=True)
class Rates:
    """The peak learning rate of each kind of part; the fields are the ``lr_*`` of params.yaml's ``train``."""

    lr_encoder: float
    lr_boundaries: float
    lr_crf: float
    lr_new: float


@dataclass(frozen=True, slots=True)
class Size:
    """Encoders of one class of widths."""

    name: str
    up_to_width: float
    rates: Rates
    source: str
    """Where the rates come from."""
    layers: int | None = None
    """How many first layers are fine-tuned; None for all."""


SIZES = (
    Size(
        "small",
        511,
        Rates(lr_encoder=2e-4, lr_boundaries=1e-4, lr_crf=1e-1, lr_new=1e-3),
        "searched here on dev with e5-small-zh, width 384 (docs/experiments.md); ELECTRA-small is tuned at 3e-4 by its "
        "authors (Clark et al. 2020, appendix B), BERT miniatures at 3e-5 to 3e-4 (Turc et al. 2019)",
        # SSMI with e5-small-zh on Weibo, Resume and MSRA: with 4 of 12 layers no worse than with 2, and above BERT-CRF
        # with 12 or not to be told apart from it (docs/experiments.md, 2026-11-27).
        layers=4,
    ),
    Size(
        "base",
        1023,
        Rates(lr_encoder=3e-5, lr_boundaries=1e-4, lr_crf=1e-1, lr_new=1e-3),
        "BERT-base: 2e-5 to 5e-5 (Devlin et al. 2019, appendix A.3); its CRF 0.5 in AdaSeq, other parts 1e-3 in W2NER; "
        "nothing of it measured here",
    ),
    Size(
        "large",
        float("inf"),
        Rates(lr_encoder=1e-5, lr_boundaries=1e-4, lr_crf=1e-1, lr_new=1e-3),
        "BERT-large and RoBERTa-large: 1e-5 to 3e-5, the lower end for small data (Liu et al. 2019, table 10); other "
        "parts as for base; nothing of it measured here",
    ),
)
"""From the narrowest on. A network whose encoder is frozen, or has none, trains its other parts at the row's rates."""


def size_of(width: int) -> Size:
    """The row for an encoder of that width."""
    return next(size for size in SIZES if width <= size.up_to_width)


def resolve(params: Params, encoder: EncoderSize) -> Params:
    """``params`` with what every ``auto`` that follows the encoder comes to; the same again when it says none.

    Args:
        params: As given.
        encoder: One that has no more layers than its row's number is used whole.

    Returns:
        Numbers in place of the rates' autos, and a number or None (all) in place of ``model.encoder_layers``'.

    """
    rates = asdict(size_of(encoder.width).rates)
    filled = {name: rate for name, rate in rates.items() if getattr(params.train, name) == "auto"}
    model = params.model.model_copy(update={"encoder_layers": layers_of(params.model, encoder)})
    return params.model_copy(update={"train": params.train.model_copy(update=filled), "model": model})


def layers_of(params: ModelParams, encoder: EncoderSize) -> int | None:
    """How many of the encoder's first layers a network uses, None for all: what ``model.encoder_layers`` comes to."""
    if params.encoder_layers != "auto":
        return params.encoder_layers
    layers = size_of(encoder.width).layers
    return layers if params.encoder == "finetune" and layers is not None and layers < encoder.layers else None


def describe(params: Params, encoder: EncoderSize) -> str:
    """Two lines: how many layers are fine-tuned, and every rate; and which of these the encoder's width chose.

    Without fine-tuning the second alone. ``params`` are as given, with their autos.
    """
    used = resolve(params, encoder)
    kinds = {"lr_encoder": "encoder", "lr_boundaries": "boundaries", "lr_crf": "CRF", "lr_new": "other parts"}
    chosen = [name for name in kinds if getattr(params.train, name) == "auto"]
    size = f"a {size_of(encoder.width).name} encoder, width {encoder.width}"
    rates = ", ".join(f"{kind} {getattr(used.train, name):g}" for name, kind in kinds.items())
    which = "all" if len(chosen) == len(kinds) else ", ".join(chosen)
    line = f"learning rates: {rates} ({which} for {size})" if chosen else f"learning rates: {rates}"
    if params.model.encoder != "finetune":
        return line
    cut = params.model.encoder_layers == "auto" and used.model.encoder_layers is not None
    why = " (model.encoder_layers: auto; null takes all)" if cut else ""
    return f"encoder: {in_words(params.model, encoder)}{why}\n{line}"


def in_words(params: ModelParams, encoder: EncoderSize) -> str:
    """How many of the encoder's layers are used."""
    layers = layers_of(params, encoder)
    return f"all {encoder.layers} layers" if layers is None else f"the first {layers} of {encoder.layers} layers"

"""Defaults that depend on the encoder: the values of ``train.lr_*: auto`` and ``model.encoder_layers: auto``.

A learning rate that tunes a small encoder within a few epochs destroys a large one, and a rate for a large encoder
leaves a small one untrained. The encoder's width selects the row of ``SIZES``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from ssmi.pipeline.contract.parameters.params import ModelParams, Params
from ssmi.pipeline.contract.parquet.statistics import EncoderSize


@dataclass(frozen=True, slots=True)
class Rates:
    """The peak learning rate of each kind of part, by the ``train.lr_*`` parameters of the same names."""

    lr_encoder: float
    lr_boundaries: float
    lr_crf: float
    lr_new: float


@dataclass(frozen=True, slots=True)
class Size:
    """Defaults for encoders up to a width."""

    name: str
    up_to_width: float
    rates: Rates
    source: str
    """Source of the rates."""
    layers: int | None = None
    """Number of first layers to fine-tune; None for all."""


SIZES = (
    Size(
        "small",
        511,
        Rates(lr_encoder=2e-4, lr_boundaries=1e-4, lr_crf=1e-1, lr_new=1e-3),
        "searched here on dev with e5-small-zh, width 384 (docs/experiments.md); ELECTRA-small is tuned at 3e-4 by its "
        "authors (Clark et al. 2020, appendix B), BERT miniatures at 3e-5 to 3e-4 (Turc et al. 2019)",
        # SSMI with e5-small-zh on Weibo, Resume and MSRA: 4 of 12 layers are no worse than 2, and better than BERT-CRF
        # with 12 layers or not significantly different from it (docs/experiments.md, 2026-11-27).
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
"""From the narrowest. A network with a frozen encoder, or none, also trains its other parts at the rates of the row."""


def size_of(width: int) -> Size:
    """Return the row for an encoder of a width."""
    return next(size for size in SIZES if width <= size.up_to_width)


def resolve(params: Params, encoder: EncoderSize) -> Params:
    """Resolve every ``auto`` that depends on the encoder; idempotent.

    Args:
        params: The parameters as given.
        encoder: Size of the encoder, which is used whole if it has no more layers than its row's number.

    Returns:
        The parameters with numbers for automatic learning rates, and a number or None (all) for an automatic
        ``model.encoder_layers``.

    """
    rates = asdict(size_of(encoder.width).rates)
    filled = {name: rate for name, rate in rates.items() if getattr(params.train, name) == "auto"}
    model = params.model.model_copy(update={"encoder_layers": layers_of(params.model, encoder)})
    return params.model_copy(update={"train": params.train.model_copy(update=filled), "model": model})


def layers_of(params: ModelParams, encoder: EncoderSize) -> int | None:
    """Return the number of first encoder layers that a network uses (``model.encoder_layers``), None for all."""
    if params.encoder_layers != "auto":
        return params.encoder_layers
    layers = size_of(encoder.width).layers
    return layers if params.encoder == "finetune" and layers is not None and layers < encoder.layers else None


def describe(params: Params, encoder: EncoderSize) -> str:
    """Describe in two lines the fine-tuned layers and the learning rates, and which of these were automatic.

    Without fine-tuning there is only the line of the rates. ``params`` are the parameters as given, not resolved.
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
    """Describe how many of the encoder's layers are used."""
    layers = layers_of(params, encoder)
    return f"all {encoder.layers} layers" if layers is None else f"the first {layers} of {encoder.layers} layers"

"""Learning rates that follow the encoder: what ``train.lr_*: auto`` comes to.

A rate that tunes a small encoder within a few epochs destroys a large one, and the rate of a large one leaves a small
one untrained. The encoder's width selects the row of ``SIZES``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from ssmi.pipeline.contract.parameters.params import Params


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


SIZES = (
    Size(
        "small",
        511,
        Rates(lr_encoder=2e-4, lr_boundaries=1e-4, lr_crf=1e-1, lr_new=1e-3),
        "searched here on dev with e5-small-zh, width 384 (docs/experiments.md); ELECTRA-small is tuned at 3e-4 by its "
        "authors (Clark et al. 2020, appendix B), BERT miniatures at 3e-5 to 3e-4 (Turc et al. 2019)",
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


def resolve(params: Params, *, encoder_width: int) -> Params:
    """``params`` with numbers where ``train`` says auto; the same again when it says none."""
    chosen = asdict(size_of(encoder_width).rates)
    filled = {name: rate for name, rate in chosen.items() if getattr(params.train, name) == "auto"}
    return params.model_copy(update={"train": params.train.model_copy(update=filled)})


def describe(params: Params, *, encoder_width: int) -> str:
    """One line: every rate, and which of them the encoder's width chose. ``params`` are as given, with their autos."""
    used = resolve(params, encoder_width=encoder_width).train
    kinds = {"lr_encoder": "encoder", "lr_boundaries": "boundaries", "lr_crf": "CRF", "lr_new": "other parts"}
    chosen = [name for name in kinds if getattr(params.train, name) == "auto"]
    rates = ", ".join(f"{kind} {getattr(used, name):g}" for name, kind in kinds.items())
    if not chosen:
        return f"learning rates: {rates}"
    which = "all" if len(chosen) == len(kinds) else ", ".join(chosen)
    return f"learning rates: {rates} ({which} for a {size_of(encoder_width).name} encoder, width {encoder_width})"

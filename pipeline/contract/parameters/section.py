"""Building blocks of the sections of params.yaml: types of values, and the base class of all sections."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)
from pydantic_core import PydanticKnownError


def _whole(value: Any) -> Any:
    # Python counts with booleans: int(True) is 1.
    if isinstance(value, bool):
        raise PydanticKnownError("int_type")
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticKnownError("float_type")
    return value


WHOLE = BeforeValidator(_whole)
"""Refuses ``true`` and ``false`` for a whole number; comes last in ``Annotated``, after the limits."""
NUMBER = BeforeValidator(_number)
"""Refuses ``true`` and ``false`` for a number; comes last in ``Annotated``, after the limits."""

Fraction = Annotated[float, Field(ge=0.0, lt=1.0), NUMBER]
Weight = Annotated[float, Field(ge=0.0), NUMBER]
Rate = Annotated[float, Field(gt=0.0), NUMBER]
Positive = Annotated[int, Field(ge=1, lt=2**31), WHOLE]
NonNegative = Annotated[int, Field(ge=0, lt=2**31), WHOLE]
Seed = Annotated[int, Field(ge=0, lt=2**63), WHOLE]


def _rate_or_auto(value: Any) -> Any:
    """Check the whole union with one message; pydantic's own check gives two, one of which is always irrelevant."""
    try:
        # float(True) is 1.0, and a whole number of more than 308 digits is too large for a float.
        if value == "auto" or (not isinstance(value, bool) and 0.0 < float(value) < math.inf):
            return value
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError("should be a number greater than 0, or auto")


AutoRate = Annotated[
    float | Literal["auto"],
    BeforeValidator(_rate_or_auto),
    WithJsonSchema({"anyOf": [{"const": "auto"}, {"type": "number", "exclusiveMinimum": 0}]}),
]
"""A learning rate; ``auto`` derives it from the encoder (``model/encoder_defaults.py``)."""


def _layers_or_auto(value: Any) -> Any:
    """Check the whole union with one message, as ``_rate_or_auto`` does."""
    if value is None or value == "auto":
        return value
    try:
        if not isinstance(value, bool) and int(value) == float(value) and int(value) >= 1:
            return value
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError("should be a whole number, at least 1, or null or auto")


AutoLayers = Annotated[
    int | Literal["auto"] | None,
    BeforeValidator(_layers_or_auto),
    WithJsonSchema({"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1}, {"type": "null"}]}),
]
"""Number of the encoder's first layers, None for all; ``auto`` follows the encoder (``model/encoder_defaults.py``)."""


class Section(BaseModel):
    """A frozen section that refuses unknown keys, and booleans in place of numbers; numbers may be quoted."""

    # YAML has .nan and .inf; JSON, the format of manifests, has neither.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

"""What a file cannot say of itself: given by ``dataset.yaml`` beside a data set's files, or on the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from pipeline.contract.errors import InputDataError, nearest

Offsets = Literal["auto", "code-points", "utf-16"]

ENCODINGS = ("utf-8", "gb18030", "gbk", "gb2312", "big5", "big5hkscs", "utf-16", "utf-16-le", "utf-16-be", "shift_jis")
"""Those that errors name; every other text encoding of Python is read as well."""


def offsets_named(name: object) -> object:
    """A unit of offsets as a person writes it (``utf16``, ``UTF-16``, ``codepoints``), as ``Offsets`` spells it."""
    if not isinstance(name, str):
        return name
    plain = name.casefold().replace("-", "").replace("_", "").replace(" ", "")
    return {"codepoints": "code-points", "utf16": "utf-16"}.get(plain, name)


def _encoding(name: object) -> object:
    if isinstance(name, str):
        try:
            with suppress(UnicodeError):
                b"a".decode(name)  # unlike codecs.lookup this refuses codecs of bytes: hex, zip
        except (LookupError, ValueError):
            raise ValueError(f"encoding {name!r} is not known, {nearest(name.lower(), ENCODINGS)}") from None
    return name


class ReadOptions(BaseModel):
    """How a raw file is read; every field may be left out, and unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str | None = None
    """A name of ``registry.FORMATS``; None takes the ending, else the look of the first lines."""
    encoding: Annotated[str | None, BeforeValidator(_encoding)] = None
    """As Python's codecs name it, ``gb18030`` for example; a byte order mark goes before it; None takes UTF-8."""
    offsets: Annotated[Offsets, BeforeValidator(offsets_named)] = "auto"
    """What entity offsets count. ``auto``: code points, unless the text that entities quote says UTF-16 units."""
    labels: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """The names of tags that are written as numbers, in their order."""
    tag_map: Mapping[str, str] | None = None
    """Type or part-of-speech tag as it is written → entity type; a tag that is not named is no entity."""


DEFAULT = ReadOptions()
"""Everything as the file itself says."""


def options_from(tree: Mapping[str, Any], *, source: str, others: Iterable[str] = ()) -> ReadOptions:
    """Check what a person gave; ``source`` names it in errors, ``others`` are keys that its reader took out before.

    Raises InputDataError naming every mistake at once, as ``key: what is wrong``.
    """
    try:
        return ReadOptions.model_validate(tree)
    except ValidationError as error:
        mistakes = []
        for item in error.errors():
            key = ".".join(map(str, item["loc"]))
            if item["type"] == "extra_forbidden":
                mistakes.append(f"{key}: unknown key, {nearest(key, (*ReadOptions.model_fields, *others))}")
            else:
                mistakes.append(f"{key}: {item['msg'].removeprefix('Value error, ')}")
        raise InputDataError(f"{source}: {'; '.join(mistakes)}", next_step="correct these") from None

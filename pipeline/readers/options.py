"""What a file cannot say of itself: given by ``dataset.yaml`` beside a data set's files, or on the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ssmi.pipeline.contract.errors import InputDataError, SsmiError, nearest
from ssmi.pipeline.contract.labels import is_label
from ssmi.pipeline.contract.text.encodings import text_encoding

Offsets = Literal["auto", "code-points", "utf-16"]

ENCODINGS = ("utf-8", "gb18030", "gbk", "gb2312", "big5", "big5hkscs", "utf-16", "utf-16-le", "utf-16-be", "shift_jis")
"""Encodings that errors name; every other text encoding of Python is read as well."""


def offsets_named(name: object) -> object:
    """A unit of offsets as a person writes it (``utf16``, ``UTF-16``, ``codepoints``), as ``Offsets`` spells it."""
    if not isinstance(name, str):
        return name
    plain = name.casefold().replace("-", "").replace("_", "").replace(" ", "")
    return {"codepoints": "code-points", "utf16": "utf-16"}.get(plain, name)


def _encoding(name: object) -> object:
    if isinstance(name, str) and text_encoding(name) is None:
        raise ValueError(f"encoding {name!r} is not known, {nearest(name.lower(), ENCODINGS)}")
    return name


def _name(name: str) -> str:
    """Of a type or a tag: what no reader would take from a file is not taken here."""
    if not is_label(name):
        raise ValueError(f"{name!r} is empty or holds a control character or white space around it")
    return name


Name = Annotated[str, AfterValidator(_name)]


class ReadOptions(BaseModel):
    """How a raw file is read; every field may be left out, and unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str | None = None
    """A name of ``registry.FORMATS``; None takes the ending, else the look of the first lines."""
    encoding: Annotated[str | None, BeforeValidator(_encoding)] = None
    """As Python's codecs name it, ``gb18030`` for example; a byte order mark goes before it; None takes UTF-8."""
    offsets: Annotated[Offsets, BeforeValidator(offsets_named)] = "auto"
    """What entity offsets count. ``auto``: code points, unless the text that entities quote says UTF-16 units."""
    labels: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    """The names of tags that are written as numbers, in their order."""
    tag_map: Mapping[str, Name] | None = None
    """Type or part-of-speech tag as it is written → entity type; a tag that is not named is not an entity."""


DEFAULT = ReadOptions()
"""Everything as the file itself says."""


def options_from(
    tree: Mapping[str, Any],
    *,
    source: str,
    others: Iterable[str] = (),
    refusal: type[SsmiError] = InputDataError,
) -> ReadOptions:
    """Check the options that a user gave.

    Args:
        tree: Key → value.
        source: What errors call them.
        others: Keys that belong to another reader.
        refusal: The error to raise; ParameterError for the command line.

    Returns:
        The options.

    Raises:
        InputDataError: Or ``refusal``: every mistake at once, as ``key: what is wrong``.
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
        raise refusal(f"{source}: {'; '.join(mistakes)}", next_step="correct these") from None

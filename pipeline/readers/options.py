"""Options that a file cannot express itself: given in ``dataset.yaml`` beside the files, or on the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ssmi.pipeline.contract.errors import InputDataError, SsmiError, name_hint
from ssmi.pipeline.contract.labels import is_label
from ssmi.pipeline.contract.text.encodings import text_encoding
from ssmi.pipeline.contract.wrong_values import distinct_mistakes, placed

Offsets = Literal["auto", "code-points", "utf-16"]

ENCODINGS = ("utf-8", "gb18030", "gbk", "gb2312", "big5", "big5hkscs", "utf-16", "utf-16-le", "utf-16-be", "shift_jis")
"""Encodings that errors suggest; every other text encoding of Python is accepted too."""


def offsets_named(name: object) -> object:
    """Normalise the name of an offset unit (``utf16``, ``UTF-16``, ``codepoints``) to the spelling of ``Offsets``."""
    if not isinstance(name, str):
        return name
    plain = name.casefold().replace("-", "").replace("_", "").replace(" ", "")
    return {"codepoints": "code-points", "utf16": "utf-16"}.get(plain, name)


def _encoding(name: object) -> object:
    if isinstance(name, str) and text_encoding(name) is None:
        raise ValueError(f"encoding {name!r} is not known, {name_hint(name.lower(), ENCODINGS)}")
    return name


def _name(name: str) -> str:
    """Validate the name of a type or tag by the same rule as readers of files."""
    if not is_label(name):
        raise ValueError(
            f"{name!r} is empty or holds a control character, half a surrogate pair or white space around it"
        )
    return name


Name = Annotated[str, AfterValidator(_name)]


class ReadOptions(BaseModel):
    """Options for reading a raw file. Every field is optional; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str | None = None
    """The name of a format in ``registry.FORMATS``; None to recognise it by the file's ending or its first lines."""
    encoding: Annotated[str | None, BeforeValidator(_encoding)] = None
    """A codec name of Python, such as ``gb18030``; None means UTF-8. A byte order mark takes precedence."""
    offsets: Annotated[Offsets, BeforeValidator(offsets_named)] = "auto"
    """What entity offsets count. ``auto``: code points, unless the entities show that they count UTF-16 units."""
    labels: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    """The names of tags that are written as numbers, in the order of the numbers."""
    tag_map: Mapping[str, Name] | None = None
    """Entity types by type or part-of-speech tag as written in the file; tags that are not listed are not entities."""


DEFAULT = ReadOptions()
"""Options that leave everything to the file itself."""


def options_from(
    tree: Mapping[str, Any],
    *,
    source: str,
    others: Iterable[str] = (),
    refusal: type[SsmiError] = InputDataError,
) -> ReadOptions:
    """Validate the options given by a user.

    Args:
        tree: The options by key.
        source: The name of their source, for errors.
        others: Keys that another reader accepts, which may be suggested for an unknown key.
        refusal: The type of error to raise; ParameterError for the command line.

    Returns:
        The options.

    Raises:
        InputDataError: Or ``refusal``: options are invalid. The message lists all mistakes as ``key: what is wrong``.
    """
    try:
        return ReadOptions.model_validate(tree)
    except ValidationError as error:
        mistakes = []
        for item in distinct_mistakes(error):
            key = ".".join(map(str, item["loc"]))
            if item["type"] == "extra_forbidden":
                mistakes.append(f"{key}: unknown key, {name_hint(key, (*ReadOptions.model_fields, *others))}")
            else:
                mistakes.append(placed(item))
        raise refusal(f"{source}: {'; '.join(mistakes)}", next_step="correct these") from None

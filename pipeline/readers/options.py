"""What a file cannot say of itself: given by ``dataset.yaml`` beside a data set's files, or on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Offsets = Literal["auto", "code-points", "utf-16"]


class ReadOptions(BaseModel):
    """How a raw file is read; every field may be left out, and unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str | None = None
    """A name of ``registry.FORMATS``; None takes the ending, else the look of the first lines."""
    encoding: str | None = None
    """As Python's codecs name it, ``gb18030`` for example; None takes a byte order mark, else UTF-8."""
    offsets: Offsets = "auto"
    """What entity offsets count. ``auto``: code points, unless the text that entities quote says UTF-16 units."""
    labels: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """The names of tags or types that are written as numbers, in their order."""
    tag_map: Mapping[str, str] | None = None
    """Type or part-of-speech tag as it is written → entity type; a tag that is not named is no entity."""


DEFAULT = ReadOptions()
"""Everything as the file itself says."""

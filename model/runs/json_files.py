"""JSON files of a run, read as what they must hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ssmi.pipeline.contract.text.json_text import loads

Body = TypeVar("Body", bound=BaseModel)


class JsonBody(BaseModel):
    """What a file holds: frozen, of exactly these keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read(path: Path, kind: type[Body]) -> Body:
    """Read a file.

    Args:
        path: The file.
        kind: What it must hold.

    Returns:
        Its content.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not JSON, or not of this kind; names every key that is missing, unknown or ill-typed.

    """
    try:
        return kind.model_validate(loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, item['loc'])) or 'the file'}: {item['msg']}" for item in error.errors()]
        raise ValueError("; ".join(lines)) from None


def write(path: Path, body: BaseModel, *, sort_keys: bool = False) -> None:
    """Write a file; the same content gives the same bytes."""
    text = json.dumps(body.model_dump(mode="json"), ensure_ascii=False, indent=1, sort_keys=sort_keys)
    path.write_text(text + "\n", encoding="utf-8")

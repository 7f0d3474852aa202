"""JSON files of a run, read as what they must hold; each holds the digest of its own content."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ssmi.pipeline.contract.storage import plain_files
from ssmi.pipeline.contract.storage.digests import seal, unseal
from ssmi.pipeline.contract.text.json_text import loads

Body = TypeVar("Body", bound=BaseModel)


class JsonBody(BaseModel):
    """What a file holds: frozen, of exactly these keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read(path: Path, kind: type[Body]) -> Body:
    """Read what ``write`` wrote.

    Args:
        path: The file.
        kind: What it must hold.

    Returns:
        Its content.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not JSON, not of this kind, or was changed since; names every key that is missing, unknown or
            ill-typed.

    """
    return _validated(unseal(plain_files.read_bytes(path)), kind)


def read_plain(path: Path, kind: type[Body]) -> Body:
    """Read a file that holds no digest of its own; else as ``read``."""
    return _validated(loads(plain_files.read_text(path)), kind)


def _validated(body: object, kind: type[Body]) -> Body:
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, item['loc'])) or 'the file'}: {item['msg']}" for item in error.errors()]
        raise ValueError("; ".join(lines)) from None


def write(path: Path, body: BaseModel, *, sort_keys: bool = False) -> None:
    """Write a file with the digest of its content; the same content gives the same bytes."""
    text = json.dumps(seal(body.model_dump(mode="json")), ensure_ascii=False, indent=1, sort_keys=sort_keys)
    path.write_text(text + "\n", encoding="utf-8")

"""JSON files of a run, validated on reading; each holds the digest of its own content."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ssmi.pipeline.contract.storage import plain_files
from ssmi.pipeline.contract.storage.digests import seal, unseal
from ssmi.pipeline.contract.text.json_text import loads
from ssmi.pipeline.contract.wrong_values import mistakes

Body = TypeVar("Body", bound=BaseModel)


class JsonBody(BaseModel):
    """Base of file contents: frozen, with exactly the declared keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read(path: Path, kind: type[Body]) -> Body:
    """Read a file written by ``write``.

    Args:
        path: The file.
        kind: The model of its content.

    Returns:
        The content.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is not JSON, does not fit ``kind`` (the error names every missing, unknown or ill-typed
            key), or was changed after it was written.

    """
    return _validated(unseal(plain_files.read_bytes(path)), kind)


def read_plain(path: Path, kind: type[Body]) -> Body:
    """Read a file that does not hold its own digest; otherwise like ``read``."""
    return _validated(loads(plain_files.read_text(path)), kind)


def _validated(body: object, kind: type[Body]) -> Body:
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        raise ValueError(mistakes(error)) from None


def write(path: Path, body: BaseModel, *, sort_keys: bool = False) -> None:
    """Write content with its digest; equal content gives equal bytes."""
    text = json.dumps(seal(body.model_dump(mode="json")), ensure_ascii=False, indent=1, sort_keys=sort_keys)
    path.write_text(text + "\n", encoding="utf-8")

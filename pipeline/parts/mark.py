"""The completion mark of a part: the digest of its task, the files that it wrote, and its result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import lru_cache
from glob import escape
from pathlib import Path
from typing import Any, Generic, get_type_hints

from pydantic import TypeAdapter

from ssmi.pipeline.contract.errors import SsmiError
from ssmi.pipeline.contract.manifest import digest_file
from ssmi.pipeline.contract.storage import plain_files, replacing
from ssmi.pipeline.contract.storage.digests import seal, unseal
from ssmi.pipeline.contract.storage.relative_names import stays_below
from ssmi.pipeline.executor import MAX_BYTES, Result, Task
from ssmi.pipeline.parts.symbols import symbolic, with_paths


@dataclass(frozen=True)
class Part(Generic[Task, Result]):
    """One task of a stage, and the location of its mark."""

    function: Callable[[Task], Result]
    """A module-level function, annotated with a return type that JSON can represent."""
    task: Task
    folder: Path
    """Folder of the unfinished stage: the part writes only files below it, and may read others."""
    mark: Path
    """The mark's file."""
    artifacts: Path | None = None
    """Folder of the finished stages that the part reads."""


@dataclass(frozen=True)
class Mark:
    """The content of a mark's file."""

    task: str
    """Digest of the task (see ``task_digest``), which differs for parts of other work."""
    files: Mapping[str, str]
    """The sha256 of each file that the part wrote, by path below the folder."""
    result: Any
    """The result as a JSON value."""


def run_part(part: Part[Task, Result]) -> str | None:
    """Run a part and write its mark as the last step.

    Returns:
        The result as JSON, to be read by ``result_of``; None if it is too large to send and stored in the mark only.

    Raises:
        ValueError: The result does not have the function's return type, or JSON cannot represent it.
    """
    before = _stamps(part)
    result = _adapter(part.function).dump_python(part.function(part.task), mode="json", warnings="error")
    text = json.dumps(result)
    result_of(part, text)  # before the mark is written: a result must be readable again
    # Files that existed before and are unchanged were only read by the part.
    written = [path for path, stamp in _stamps(part).items() if before.get(path) != stamp]
    files = {path.relative_to(part.folder).as_posix(): digest_file(path) for path in sorted(written)}
    part.mark.parent.mkdir(parents=True, exist_ok=True)
    with replacing.writing(part.mark) as temporary:
        temporary.write_bytes(mark_body(Mark(task_digest(part), files, result)))
    return text if len(text) <= MAX_BYTES // 2 else None  # the JSON is ASCII: one byte per character


def result_of(part: Part[Task, Result], text: str) -> Result:
    """Parse the JSON of a part's result into what its function returned."""
    result: Result = _adapter(part.function).validate_json(text)
    return result


def finished(part: Part[Any, Any]) -> str | None:
    """Return the result of a part as JSON if the part is finished and its files are unchanged; otherwise None."""
    mark = read_mark(part.mark)
    if mark is None or mark.task != task_digest(part):
        return None
    try:
        whole = all(digest_file(part.folder / name) == digest for name, digest in mark.files.items())
    except OSError:
        return None
    return json.dumps(mark.result) if whole else None


def kept_result(part: Part[Any, Any]) -> str:
    """Return the result of a part that has just run, as JSON, from its mark; raises SsmiError if the mark is gone."""
    mark = read_mark(part.mark)
    if mark is None:
        raise SsmiError(f"{part.mark}: no longer exists", next_step="run the same command again")
    return json.dumps(mark.result)


def read_mark(path: Path) -> Mark | None:
    """Read a mark; None if there is none or it is damaged."""
    try:
        return parse_mark(plain_files.read_bytes(path))
    except OSError:
        return None


def parse_mark(body: bytes) -> Mark | None:
    """Parse the content of a mark's file; None if it is damaged or names files outside the folder."""
    try:
        tree = unseal(body)
        mark = Mark(str(tree["task"]), dict(tree["files"]), tree["result"])
    except (ValueError, KeyError, TypeError):
        return None
    # Storage may have been written by someone else.
    return mark if all(map(stays_below, mark.files)) else None


def mark_body(mark: Mark) -> bytes:
    """Serialize a mark to the content of its file."""
    return (json.dumps(seal(asdict(mark)), ensure_ascii=False) + "\n").encode("utf-8")


def task_digest(part: Part[Any, Any]) -> str:
    """Compute a digest of a task's fields that does not depend on the location of the project."""
    task = with_paths(part.task, lambda path: symbolic(path, unfinished=part.folder, artifacts=part.artifacts))
    return hashlib.sha256(repr(task).encode("utf-8", "surrogatepass")).hexdigest()


def _stamps(part: Part[Any, Any]) -> dict[Path, tuple[int, int]]:
    """Return size and time of the files below the folder that the task names, and of their siblings of equal stem."""
    values = [getattr(part.task, one.name) for one in fields(part.task)] if is_dataclass(part.task) else [part.task]
    named = [value for value in values if isinstance(value, Path) and value.is_relative_to(part.folder)]
    found = {path for name in named for path in name.parent.glob(f"{escape(name.stem)}.*") if path.is_file()}
    return {path: (status.st_size, status.st_mtime_ns) for path in found for status in (path.stat(),)}


@lru_cache(maxsize=64)
def _adapter(function: Callable[[Any], Any]) -> TypeAdapter[Any]:
    return TypeAdapter(get_type_hints(function)["return"])

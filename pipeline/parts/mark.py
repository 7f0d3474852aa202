"""A part's completion mark: what it was made of, which files it left, and what it reported."""

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
from ssmi.pipeline.executor import MOST_BYTES, Result, Task
from ssmi.pipeline.parts.symbols import symbolic, with_paths


@dataclass(frozen=True)
class Part(Generic[Task, Result]):
    """One task of a stage, and where its mark goes."""

    function: Callable[[Task], Result]
    """Of a module; what it is said to return must fit into JSON."""
    task: Task
    folder: Path
    """The unfinished stage's: files below it are the part's own, all others are what it reads."""
    mark: Path
    artifacts: Path | None = None
    """Where stages lie that it reads."""


@dataclass(frozen=True)
class Mark:
    """What lies in a mark's file."""

    task: str
    """Digest of the task, whose paths count by what they mean: a part of other work has another."""
    files: Mapping[str, str]
    """Path below the folder → sha256 of each file that the part left."""
    result: Any
    """As JSON holds it."""


def run_part(part: Part[Task, Result]) -> str | None:
    """Run a part and leave its mark, last of all.

    Returns:
        The result as JSON, which ``result_of`` reads; None where it is too large to travel and lies in the mark alone.

    Raises:
        ValueError: The result is not of the type that the function names, or JSON cannot hold it.
    """
    before = _stamps(part)
    result = _adapter(part.function).dump_python(part.function(part.task), mode="json", warnings="error")
    text = json.dumps(result)
    result_of(part, text)  # before the mark: what cannot be read again is no result
    # What was there and is as it was, the part has only read.
    written = [path for path, stamp in _stamps(part).items() if before.get(path) != stamp]
    files = {path.relative_to(part.folder).as_posix(): digest_file(path) for path in sorted(written)}
    part.mark.parent.mkdir(parents=True, exist_ok=True)
    with replacing.writing(part.mark) as temporary:
        temporary.write_bytes(mark_body(Mark(task_digest(part), files, result)))
    return text if len(text) <= MOST_BYTES // 2 else None  # JSON of ASCII alone: a byte a character


def result_of(part: Part[Task, Result], text: str) -> Result:
    """What the part's function returned, from its JSON."""
    result: Result = _adapter(part.function).validate_json(text)
    return result


def finished(part: Part[Any, Any]) -> str | None:
    """The result of a part as JSON where it is done and its files are as it left them; else None."""
    mark = read_mark(part.mark)
    if mark is None or mark.task != task_digest(part):
        return None
    try:
        whole = all(digest_file(part.folder / name) == digest for name, digest in mark.files.items())
    except OSError:
        return None
    return json.dumps(mark.result) if whole else None


def kept_result(part: Part[Any, Any]) -> str:
    """The result of a part that has just been run, as its mark holds it. Raises SsmiError where it has gone."""
    mark = read_mark(part.mark)
    if mark is None:
        raise SsmiError(f"{part.mark}: not there any more", next_step="run the same again")
    return json.dumps(mark.result)


def read_mark(path: Path) -> Mark | None:
    """A mark; None where there is none, or what lies there is not what was written."""
    try:
        return parse_mark(plain_files.read_bytes(path))
    except OSError:
        return None


def parse_mark(body: bytes) -> Mark | None:
    """A mark from the content of its file; None where that is not what was written."""
    try:
        tree = unseal(body)
        mark = Mark(str(tree["task"]), dict(tree["files"]), tree["result"])
    except (ValueError, KeyError, TypeError):
        return None
    # Storage may have been written by somebody else.
    return mark if all(map(stays_below, mark.files)) else None


def mark_body(mark: Mark) -> bytes:
    """The content of a mark's file."""
    return (json.dumps(seal(asdict(mark)), ensure_ascii=False) + "\n").encode("utf-8")


def task_digest(part: Part[Any, Any]) -> str:
    """A digest of a task's fields, the same wherever the project lies."""
    task = with_paths(part.task, lambda path: symbolic(path, unfinished=part.folder, artifacts=part.artifacts))
    return hashlib.sha256(repr(task).encode("utf-8", "surrogatepass")).hexdigest()


def _stamps(part: Part[Any, Any]) -> dict[Path, tuple[int, int]]:
    """Size and time of the files below the folder that the task names, and of those beside them of the same stem."""
    values = [getattr(part.task, one.name) for one in fields(part.task)] if is_dataclass(part.task) else [part.task]
    named = [value for value in values if isinstance(value, Path) and value.is_relative_to(part.folder)]
    found = {path for name in named for path in name.parent.glob(f"{escape(name.stem)}.*") if path.is_file()}
    return {path: (status.st_size, status.st_mtime_ns) for path in found for status in (path.stat(),)}


@lru_cache(maxsize=64)
def _adapter(function: Callable[[Any], Any]) -> TypeAdapter[Any]:
    return TypeAdapter(get_type_hints(function)["return"])

"""A part run by a worker that shares no folder with the build: it fetches what its task names, and sends its files.

The worker has a folder of its own for the stage under way, in its machine's cache. Nobody else writes there, and it
goes with the process; files that it reads are links into the machine's cache of objects.
"""

from __future__ import annotations

import atexit
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Generic

from pydantic import TypeAdapter

from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError
from ssmi.pipeline.contract.project.paths import ARTIFACTS as ARTIFACTS_FOLDER
from ssmi.pipeline.contract.project.stages import STAGES
from ssmi.pipeline.contract.storage import replacing
from ssmi.pipeline.contract.storage.cache_folder import cache_root, make_cache_root
from ssmi.pipeline.contract.storage.digests import digest_json
from ssmi.pipeline.contract.storage.relative_names import stays_below
from ssmi.pipeline.executor import Result, Task
from ssmi.pipeline.parts.mark import Part, read_mark, run_part
from ssmi.pipeline.parts.symbols import ARTIFACTS, INPUTS, UNFINISHED, below, paths_in, with_paths
from ssmi.pipeline.remote import objects
from ssmi.pipeline.remote.filesystem import RemoteFolder, open_folder
from ssmi.pipeline.remote.stages import StoredStages, is_at_or_below

UNFINISHED_FOLDER, INPUTS_FOLDER = "unfinished", "inputs"
"""In the storage: stages under way, and files from outside ``artifacts`` by their digests."""


@dataclass(frozen=True)
class Index:
    """What the tasks of one piece of work may read. It lies in the storage, for it may be large."""

    stages: Mapping[str, str]
    """``STAGE/DATASET`` → digest of its manifest."""
    files: Mapping[str, str]
    """Path below the folder of the stage under way → sha256."""
    inputs: Mapping[str, Mapping[str, str]]
    """Name of a file or folder from elsewhere → path below it, empty for the file itself → sha256."""

    def body(self) -> bytes:
        """The content of its file."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass")


@dataclass(frozen=True)
class StoredPart(Generic[Task, Result]):
    """A part whose files lie in storage."""

    function: Callable[[Task], Result]
    task: Task
    """With symbolic paths."""
    url: str
    place: str
    """Of the stage under way, below the storage's folder."""
    mark: str
    """The mark's file, below the folder of the stage under way."""
    index: str
    """The index's file there; it is named by its digest."""


def run_stored_part(stored: StoredPart[Task, Result]) -> str | None:
    """Fetch what the part reads, run it, and publish its files and then its mark; returns what ``run_part`` does.

    Raises:
        MissingResourceError: What it reads is not there any more, or the storage cannot be used.
        StaleArtifactError: What it reads is not what was written.
    """
    remote = open_folder(stored.url)
    index = _index(remote, f"{stored.place}/{stored.index}")
    with _FOLDERS.using(digest_json([stored.url, stored.place])[:16]) as folder:
        for path in paths_in(stored.task):
            _fetch(remote, index, stored.place, path, folder)
        part = Part(
            stored.function,
            with_paths(stored.task, lambda path: _local(path, folder)),
            folder / UNFINISHED,
            folder / UNFINISHED / stored.mark,
            folder / ARTIFACTS_FOLDER,
        )
        text = run_part(part)
        publish_part(remote, stored.place, part)
    return text


def publish_part(remote: RemoteFolder, place: str, part: Part[Task, Result]) -> None:
    """Send the files of a finished part to storage, and its mark last."""
    mark = read_mark(part.mark)
    if mark is None:
        raise MissingResourceError(f"{part.mark}: not there any more", next_step="run the same again")
    for name in mark.files:
        remote.put(part.folder / name, f"{place}/{name}")
    remote.put(part.mark, f"{place}/{part.mark.relative_to(part.folder).as_posix()}")


def input_name(digest: str) -> str:
    """Where a file from outside ``artifacts`` lies in the storage."""
    return f"{INPUTS_FOLDER}/{digest}"


def stage_of(name: str) -> tuple[str, str]:
    """``STAGE/DATASET`` of a path below ``artifacts``, and the rest of the path."""
    parts = name.split("/")
    n = 2 if STAGES[parts[0]].per_dataset else 1
    return "/".join(parts[:n]), "/".join(parts[n:])


def _local(path: Path, folder: Path) -> Path:
    """Where a symbolic path lies in a worker's folder."""
    if (name := below(path, ARTIFACTS)) is not None:
        return folder / ARTIFACTS_FOLDER / name
    return folder / path


def _fetch(remote: RemoteFolder, index: Index, place: str, path: Path, folder: Path) -> None:
    """Have on this machine what a symbolic path leads to, if there is anything yet, and the folder that it is in."""
    local = _local(path, folder)
    local.parent.mkdir(parents=True, exist_ok=True)
    if (name := below(path, UNFINISHED)) is not None:
        for file, digest in index.files.items():
            # A task may name several files by what their names have in common.
            if is_at_or_below(file, name) or file.startswith(f"{name}."):
                objects.link(remote, f"{place}/{file}", digest, folder / UNFINISHED / file)
    elif (name := below(path, ARTIFACTS)) is not None:
        stage, rest = stage_of(name)
        target = folder / ARTIFACTS_FOLDER / stage
        StoredStages(remote).link(stage, index.stages[stage], target, names=[rest])
    elif (name := below(path, INPUTS)) is not None:
        for file, digest in index.inputs.get(name, {}).items():
            objects.link(remote, input_name(digest), digest, local / file if file else local)


@lru_cache(maxsize=4)
def _index(remote: RemoteFolder, name: str) -> Index:
    body = remote.read(name)
    if body is None:
        raise MissingResourceError(
            f"{remote}/{name}: not there any more",
            next_step="run the same again: another build of this stage may have been finished meanwhile",
        )
    index = TypeAdapter(Index).validate_json(body)
    # Storage may have been written by somebody else.
    if not all(map(stays_below, chain(index.stages, index.files, *index.inputs.values()))):
        raise StaleArtifactError(f"{remote}/{name}: names files elsewhere", next_step="run the same again")
    return index


class _Folders:
    """The folders of this process for stages under way: gone with the process, or when it works on another stage."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[Path, ExitStack]] = {}
        self._users: Counter[str] = Counter()
        self._lock = Lock()

    @contextmanager
    def using(self, name: str) -> Iterator[Path]:
        """The folder of a stage under way; those of others go, unless another thread is at work in them."""
        with self._lock:
            self._users[name] += 1
            for other in [other for other in self._open if not self._users[other]]:
                self._open.pop(other)[1].close()
            if name not in self._open:
                self._open[name] = _new_folder(name)
            path = self._open[name][0]
        try:
            yield path
        finally:
            with self._lock:
                self._users[name] -= 1

    def close(self) -> None:
        """Remove all of them."""
        while self._open:
            self._open.popitem()[1][1].close()


def _new_folder(name: str) -> tuple[Path, ExitStack]:
    make_cache_root()
    stack = ExitStack()
    path = stack.enter_context(replacing.temporary_folder(cache_root() / "workers" / name))
    # After those of dead processes have gone: what only they used may go now.
    objects.tidy()
    for inner in ("output", "scratch"):
        (path / UNFINISHED / inner).mkdir(parents=True)
    return path, stack


_FOLDERS = _Folders()
atexit.register(_FOLDERS.close)

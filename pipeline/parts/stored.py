"""Run a part in a worker that shares no folder with the build: fetch what its task names, and send its files.

The worker has its own folder for the unfinished stage, in its machine's cache. No other process writes there, and the
folder is removed when the process exits. The files that the worker reads are links into the machine's object cache.
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
"""Folders in storage: unfinished stages, and input files from outside ``artifacts``, named by their digests."""


@dataclass(frozen=True)
class Index:
    """Everything that the tasks of one ``Work`` may read. Kept in storage, because it may be large."""

    stages: Mapping[str, str]
    """Digests of the manifests of finished stages, by ``STAGE/DATASET``."""
    files: Mapping[str, str]
    """The sha256 of files of the unfinished stage, by path below its folder."""
    inputs: Mapping[str, Mapping[str, str]]
    """For each input file or folder by name, the sha256 of its files by path below it; empty path for a file itself."""

    def body(self) -> bytes:
        """Serialize the index to the content of its file."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass")


@dataclass(frozen=True)
class StoredPart(Generic[Task, Result]):
    """A part whose files are in storage."""

    function: Callable[[Task], Result]
    task: Task
    """The task, with symbolic paths."""
    url: str
    """URL of the storage."""
    place: str
    """Path of the unfinished stage's folder in storage."""
    mark: str
    """Path of the mark's file below the unfinished stage's folder."""
    index: str
    """Path of the index's file below the same folder; the file is named by its digest."""


def run_stored_part(stored: StoredPart[Task, Result]) -> str | None:
    """Fetch the files that the part reads, run it, and publish its files and then its mark.

    Returns:
        The result of ``run_part``.

    Raises:
        MissingResourceError: A file that the part reads is gone, or the storage cannot be used.
        StaleArtifactError: A file that the part reads is not what was written.
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
        raise MissingResourceError(f"{part.mark}: no longer exists", next_step="run the same command again")
    for name in mark.files:
        remote.put(part.folder / name, f"{place}/{name}")
    remote.put(part.mark, f"{place}/{part.mark.relative_to(part.folder).as_posix()}")


def input_name(digest: str) -> str:
    """Return the path in storage of an input file, given its digest."""
    return f"{INPUTS_FOLDER}/{digest}"


def stage_of(name: str) -> tuple[str, str]:
    """Split a path below ``artifacts`` into ``STAGE/DATASET`` and the rest."""
    parts = name.split("/")
    n = 2 if STAGES[parts[0]].per_dataset else 1
    return "/".join(parts[:n]), "/".join(parts[n:])


def _local(path: Path, folder: Path) -> Path:
    """Resolve a symbolic path in a worker's folder."""
    if (name := below(path, ARTIFACTS)) is not None:
        return folder / ARTIFACTS_FOLDER / name
    return folder / path


def _fetch(remote: RemoteFolder, index: Index, place: str, path: Path, folder: Path) -> None:
    """Fetch the files of a symbolic path, if there are any yet, and create its parent folder."""
    local = _local(path, folder)
    local.parent.mkdir(parents=True, exist_ok=True)
    if (name := below(path, UNFINISHED)) is not None:
        for file, digest in index.files.items():
            # A task may name several files by a common prefix.
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
            f"{remote}/{name}: no longer exists",
            next_step="run the same command again: another build of this stage may have been finished meanwhile",
        )
    index = TypeAdapter(Index).validate_json(body)
    # Storage may have been written by someone else.
    if not all(map(stays_below, chain(index.stages, index.files, *index.inputs.values()))):
        raise StaleArtifactError(f"{remote}/{name}: names files elsewhere", next_step="run the same command again")
    return index


class _Folders:
    """The process's folders for unfinished stages, removed at exit or when the process works on another stage."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[Path, ExitStack]] = {}
        self._users: Counter[str] = Counter()
        self._lock = Lock()

    @contextmanager
    def using(self, name: str) -> Iterator[Path]:
        """Yield the folder of an unfinished stage; folders of other stages are removed unless a thread uses them."""
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
        """Remove all folders."""
        while self._open:
            self._open.popitem()[1][1].close()


def _new_folder(name: str) -> tuple[Path, ExitStack]:
    make_cache_root()
    stack = ExitStack()
    path = stack.enter_context(replacing.temporary_folder(cache_root() / "workers" / name))
    # After the folders of dead processes are removed: objects that only they used may be removed too.
    objects.tidy()
    for inner in ("output", "scratch"):
        (path / UNFINISHED / inner).mkdir(parents=True)
    return path, stack


_FOLDERS = _Folders()
atexit.register(_FOLDERS.close)

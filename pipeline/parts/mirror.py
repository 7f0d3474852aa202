"""The copy in storage of a stage under way, as the process that builds it, or a share of it, keeps it.

What is finished there is taken, what is finished here is given, part by part and the mark of each last. The process has
all files in its own folder too: it puts the stage together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ssmi.pipeline.contract.errors import SsmiError
from ssmi.pipeline.contract.progress import Reporter
from ssmi.pipeline.contract.storage import replacing
from ssmi.pipeline.contract.storage.digests import digest_json, digest_once
from ssmi.pipeline.parts.mark import Mark, Part, parse_mark, read_mark, task_digest
from ssmi.pipeline.parts.stored import UNFINISHED_FOLDER, Index, StoredPart, input_name, publish_part, stage_of
from ssmi.pipeline.parts.symbols import ARTIFACTS, INPUTS, below, paths_in, symbolic, with_paths
from ssmi.pipeline.remote import objects
from ssmi.pipeline.remote.filesystem import RemoteFolder
from ssmi.pipeline.remote.stages import StoredStages


class Mirror:
    """A stage under way in storage."""

    def __init__(self, remote: RemoteFolder, *, home: str, key: str, folder: Path, artifacts: Path) -> None:
        """``home`` and ``key``: as of ``UnfinishedStage``, whose ``folder`` is this process's own."""
        self._remote = remote
        self._home = f"{UNFINISHED_FOLDER}/{home}"
        self._place = f"{self._home}/{key}"
        self._folder = folder
        self._artifacts = artifacts

    def take_finished(self, parts: Sequence[Part[Any, Any]]) -> None:
        """Take the parts that are finished in storage and not here, and give those that are finished here alone."""
        if not parts:
            return
        there = self._remote.sizes(f"{self._place}/{self._name(parts[0].mark.parent)}")
        unknown = [part for part in parts if not part.mark.is_file()]
        names = {f"{self._place}/{self._name(part.mark)}": part for part in unknown}
        for name, body in self._remote.read_many(names.keys() & there.keys()).items():
            mark = parse_mark(body)
            if mark is not None and mark.task == task_digest(names[name]):
                self._take(names[name], mark, body)
        for part in parts:
            if part.mark.is_file() and f"{self._place}/{self._name(part.mark)}" not in there:
                self.give(part)

    def give(self, part: Part[Any, Any]) -> None:
        """Send a part that was run here."""
        if _is_whole(part):
            publish_part(self._remote, self._place, part)

    def take(self, part: Part[Any, Any]) -> None:
        """Fetch a part that a worker has just published. Raises SsmiError where it is not there."""
        name = f"{self._place}/{self._name(part.mark)}"
        body = self._remote.read(name)
        mark = None if body is None else parse_mark(body)
        if body is None or mark is None:
            raise SsmiError(f"{self._remote}/{name}: not there any more", next_step="run the same again")
        self._take(part, mark, body)

    def stored_parts(self, parts: Sequence[Part[Any, Any]], *, reporter: Reporter) -> Iterator[StoredPart[Any, Any]]:
        """The parts as workers take them, once all that they read is in the storage."""
        inputs = _inputs(path for part in parts for path in paths_in(part.task) if self._is_input(part, path))
        index = Index(self._stages(parts, reporter=reporter), self._give_files(), self._give_inputs(inputs))
        body = index.body()
        name = f"indexes/{hashlib.sha256(body).hexdigest()}.json"
        self._remote.write(f"{self._place}/{name}", body)
        for part in parts:
            task = with_paths(part.task, lambda path, part=part: self._symbol(part, path, inputs))  # type: ignore[misc]
            mark = self._name(part.mark)
            yield StoredPart(part.function, task, self._remote.url, self._place, mark, name)

    def remove(self) -> None:
        """Remove it from the storage, with what builds of other parameters have left of the stage."""
        self._remote.remove(self._home)

    def _take(self, part: Part[Any, Any], mark: Mark, body: bytes) -> None:
        for name, digest in mark.files.items():
            objects.fetch(self._remote, f"{self._place}/{name}", digest, part.folder / name)
        part.mark.parent.mkdir(parents=True, exist_ok=True)
        with replacing.writing(part.mark) as temporary:
            temporary.write_bytes(body)

    def _stages(self, parts: Sequence[Part[Any, Any]], *, reporter: Reporter) -> dict[str, str]:
        """The finished stages that tasks name; what is not in the storage yet is published."""
        symbols = {
            self._symbol(part, path, {}) for part in parts for path in paths_in(part.task) if self._is_artifact(path)
        }
        names = (below(path, ARTIFACTS) for path in symbols)
        places = sorted({stage_of(name)[0] for name in names if name is not None})
        stored = StoredStages(self._remote)
        return {place: stored.publish_version(self._artifacts / place, place, reporter=reporter) for place in places}

    def _give_files(self) -> dict[str, str]:
        """Send what lies in the stage's folder and is no file of a finished part, and list all that lies there."""
        known: dict[str, str] = {}
        for path in (self._folder / "marks").rglob("*.json"):
            mark = read_mark(path)
            known.update({} if mark is None else mark.files)
        files = {}
        for path in sorted(path for path in self._folder.rglob("*") if path.is_file()):
            name = self._name(path)
            if name.startswith("marks/") or fnmatchcase(path.name, ".*.tmp"):
                continue
            files[name] = known.get(name) or digest_once(path)
            if name not in known:
                self._remote.put(path, f"{self._place}/{name}")
        return files

    def _give_inputs(self, inputs: dict[Path, str]) -> dict[str, dict[str, str]]:
        """Send files from elsewhere, by their digests."""
        given: dict[str, dict[str, str]] = {}
        for path, name in inputs.items():
            files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
            relative = ["" if one == path else one.relative_to(path).as_posix() for one in files]
            given[name] = dict(zip(relative, map(digest_once, files), strict=True))
            for file, digest in zip(files, given[name].values(), strict=True):
                if self._remote.sizes(input_name(digest)) != {input_name(digest): file.stat().st_size}:
                    self._remote.put(file, input_name(digest))
        return given

    def _symbol(self, part: Part[Any, Any], path: Path, inputs: dict[Path, str]) -> Path:
        if path in inputs:
            return Path(INPUTS) / inputs[path]
        return symbolic(path, unfinished=part.folder, artifacts=self._artifacts)

    def _is_artifact(self, path: Path) -> bool:
        return path.is_relative_to(self._artifacts)

    def _is_input(self, part: Part[Any, Any], path: Path) -> bool:
        return not path.is_relative_to(part.folder) and not self._is_artifact(path)

    def _name(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()


def _inputs(paths: Iterable[Path]) -> dict[Path, str]:
    """Files and folders from elsewhere that are there, each with a name of its own: two may be called the same."""
    there = [path for path in dict.fromkeys(paths) if path.exists()]
    return {path: f"{digest_json(str(path))[:16]}/{path.name}" for path in there}


def _is_whole(part: Part[Any, Any]) -> bool:
    mark = read_mark(part.mark)
    return mark is not None and all((part.folder / name).is_file() for name in mark.files)

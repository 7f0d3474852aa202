"""The copy of an unfinished stage in storage, synchronized by the process that builds the stage or a share of it.

Parts finished in storage are fetched, parts finished locally are sent, one by one and the mark of each last. The
process also holds all files in its own folder, because it assembles the stage.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ssmi.pipeline.contract.errors import SsmiError, StaleArtifactError
from ssmi.pipeline.contract.progress import Reporter
from ssmi.pipeline.contract.storage import replacing
from ssmi.pipeline.contract.storage.digests import digest_json, digest_once
from ssmi.pipeline.parts.mark import Mark, Part, finished, parse_mark, read_mark, task_digest
from ssmi.pipeline.parts.stored import (
    INPUTS_FOLDER,
    UNFINISHED_FOLDER,
    Index,
    StoredPart,
    input_name,
    publish_part,
    stage_of,
)
from ssmi.pipeline.parts.symbols import ARTIFACTS, INPUTS, below, paths_in, symbolic, with_paths
from ssmi.pipeline.remote import objects
from ssmi.pipeline.remote.filesystem import RemoteFolder
from ssmi.pipeline.remote.stages import StoredStages


class Mirror:
    """An unfinished stage in storage."""

    def __init__(self, remote: RemoteFolder, *, home: str, key: str, folder: Path, artifacts: Path) -> None:
        """Name the copy of an unfinished stage; nothing is read or written yet.

        Args:
            remote: The storage.
            home: Name of the home of the ``UnfinishedStage``.
            key: Key of the ``UnfinishedStage``.
            folder: The local folder of the ``UnfinishedStage``.
            artifacts: Folder of the finished stages that parts read.
        """
        self._remote = remote
        self._place = f"{UNFINISHED_FOLDER}/{home}/{key}"
        self._folder = folder
        self._artifacts = artifacts
        self._sent: dict[str, str] = {}
        """The digests of the files sent that belong to no part, by name."""

    def synchronize(self, parts: Sequence[Part[Any, Any]], *, reporter: Reporter) -> None:
        """Download the parts that are finished only in storage, and upload those that are finished only locally.

        A part that is damaged in storage does not count as finished, in storage or locally: it is reported and made
        again.
        """
        if not parts:
            return
        there = self._remote.sizes(f"{self._place}/{self._name(parts[0].mark.parent)}")
        unknown = [part for part in parts if not part.mark.is_file()]
        names = {f"{self._place}/{self._name(part.mark)}": part for part in unknown}
        for name, body in self._remote.read_many(names.keys() & there.keys()).items():
            mark = parse_mark(body)
            if mark is not None and mark.task == task_digest(names[name]):
                self._download_or_withdraw(names[name], mark, body, reporter=reporter)
        for part in parts:
            is_here_alone = part.mark.is_file() and f"{self._place}/{self._name(part.mark)}" not in there
            if is_here_alone and finished(part) is not None:
                self.upload(part)

    def upload(self, part: Part[Any, Any]) -> None:
        """Upload a part that was run locally, if its mark and all its files exist."""
        if _is_whole(part):
            publish_part(self._remote, self._place, part)

    def download(self, part: Part[Any, Any]) -> None:
        """Download a part that a worker has just published; raises SsmiError if its mark is missing or damaged."""
        name = f"{self._place}/{self._name(part.mark)}"
        body = self._remote.read(name)
        mark = None if body is None else parse_mark(body)
        if body is None or mark is None:
            raise SsmiError(f"{self._remote}/{name}: no longer exists", next_step="run the same command again")
        self._download_files(part, mark, body)

    def stored_parts(self, parts: Sequence[Part[Any, Any]], *, reporter: Reporter) -> Iterator[StoredPart[Any, Any]]:
        """Send everything that the parts read to storage, then yield the parts in the form that workers run."""
        inputs = _inputs(path for part in parts for path in paths_in(part.task) if self._is_input(part, path))
        stages = self._stages(parts, reporter=reporter)
        index = Index(stages, self._upload_files(to_run=parts), self._upload_inputs(inputs))
        body = index.body()
        name = f"indexes/{hashlib.sha256(body).hexdigest()}.json"
        self._remote.write(f"{self._place}/{name}", body)
        for part in parts:
            task = with_paths(part.task, lambda path, part=part: self._symbol(part, path, inputs))  # type: ignore[misc]
            mark = self._name(part.mark)
            yield StoredPart(part.function, task, self._remote.url, self._place, mark, name)

    def remove(self) -> None:
        """Remove this stage from storage; builds with other parameters stay, because they may be running."""
        self._remote.remove(self._place)

    def _download_or_withdraw(self, part: Part[Any, Any], mark: Mark, body: bytes, *, reporter: Reporter) -> None:
        """Download a part; if a file is lost or damaged, remove its mark, so that a process that has it uploads it."""
        try:
            self._download_files(part, mark, body)
        except (objects.LostError, StaleArtifactError) as error:
            reporter.note(f"{error.message}: the part is made again")
            self._remote.remove_file(f"{self._place}/{self._name(part.mark)}")

    def _download_files(self, part: Part[Any, Any], mark: Mark, body: bytes) -> None:
        for name, digest in mark.files.items():
            objects.fetch(self._remote, f"{self._place}/{name}", digest, part.folder / name)
        part.mark.parent.mkdir(parents=True, exist_ok=True)
        with replacing.writing(part.mark) as temporary:
            temporary.write_bytes(body)

    def _stages(self, parts: Sequence[Part[Any, Any]], *, reporter: Reporter) -> dict[str, str]:
        """Publish the finished stages that tasks name, as far as they are not in storage; return their digests."""
        symbols = {
            self._symbol(part, path, {}) for part in parts for path in paths_in(part.task) if self._is_artifact(path)
        }
        names = (below(path, ARTIFACTS) for path in symbols)
        places = sorted({stage_of(name)[0] for name in names if name is not None})
        stored = StoredStages(self._remote)
        return {place: stored.publish_version(self._artifacts / place, place, reporter=reporter) for place in places}

    def _upload_files(self, *, to_run: Sequence[Part[Any, Any]]) -> dict[str, str]:
        """Send the files of the stage's folder that are missing from storage, and return the digests of all files.

        Files from earlier runs of the parts ``to_run`` are left out, because they are made again.
        """
        known: dict[str, str] = {}
        for path in (self._folder / "marks").rglob("*.json"):
            known.update(_files_of(path))
        outdated = {name for part in to_run for name in _files_of(part.mark)}
        there = self._remote.sizes(self._place)
        files = {}
        for path in sorted(path for path in self._folder.rglob("*") if path.is_file()):
            name = self._name(path)
            if name.startswith("marks/") or name in outdated or fnmatchcase(path.name, ".*.tmp"):
                continue
            digest = files[name] = known.get(name) or digest_once(path)
            # Files of parts were sent when the parts finished; any other file may have changed since it was sent.
            was_sent = name in known or self._sent.get(name) == digest
            if not was_sent or there.get(f"{self._place}/{name}") != path.stat().st_size:
                self._remote.put(path, f"{self._place}/{name}")
                self._sent[name] = digest
        return files

    def _upload_inputs(self, inputs: dict[Path, str]) -> dict[str, dict[str, str]]:
        """Send input files from elsewhere, named by their digests, and return the digests."""
        given: dict[str, dict[str, str]] = {}
        there = self._remote.sizes(INPUTS_FOLDER) if inputs else {}
        for path, name in inputs.items():
            files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
            relative = ["" if one == path else one.relative_to(path).as_posix() for one in files]
            given[name] = dict(zip(relative, map(digest_once, files), strict=True))
            for file, digest in zip(files, given[name].values(), strict=True):
                if there.get(input_name(digest)) != file.stat().st_size:
                    self._remote.put(file, input_name(digest))
                    there[input_name(digest)] = file.stat().st_size
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
    """Return the existing files and folders among ``paths``, each with a unique name, as two may have the same name."""
    there = [path for path in dict.fromkeys(paths) if path.exists()]
    return {path: f"{digest_json(str(path))[:16]}/{path.name}" for path in there}


def _files_of(mark: Path) -> Mapping[str, str]:
    """Return the files that a mark names, with their digests; empty without a mark."""
    found = read_mark(mark)
    return {} if found is None else found.files


def _is_whole(part: Part[Any, Any]) -> bool:
    mark = read_mark(part.mark)
    return mark is not None and all((part.folder / name).is_file() for name in mark.files)

"""Verification that the files below ``artifacts/`` are as written: stages, runs, checkpoints and kept features."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote

from ssmi.model.runs import state as states
from ssmi.model.runs.files import (
    CHECKPOINT,
    COUNTS,
    DROP_CHECKPOINT,
    HEADLINE,
    HISTORY,
    KEPT_METADATA,
    METADATA,
    METRICS,
    RESULT_FILES,
    STATE,
    STATE_FILE,
    report_name,
)
from ssmi.model.runs.results import result_files
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import SsmiError
from ssmi.pipeline.contract.manifest import MANIFEST_NAME, FileState
from ssmi.pipeline.contract.parquet.tables import SPLITS
from ssmi.pipeline.contract.project.stages import STAGES
from ssmi.pipeline.contract.storage import replacing
from ssmi.pipeline.contract.storage.digests import digest_file
from ssmi.pipeline.lexicon.pair_weights_file import PAIRS_FILE
from ssmi.runs.pins import PINNED
from ssmi.workspace import Workspace

__all__ = ["FileState", "Finding", "Verification", "VerifiedFolder", "verify"]

_TRAIN_AGAIN = "train again, or copy the complete run folder again"
_MOVE_AWAY = "move it out of the run's folder"
_LEFT_BEHIND = "remove it, unless a build is uploading it right now; a killed build left it behind"
_IN_RUN = frozenset(
    {CHECKPOINT, COUNTS, DROP_CHECKPOINT, HEADLINE, HISTORY, KEPT_METADATA, METRICS, PINNED, RESULT_FILES, STATE}
    | {report_name(split) for split in SPLITS}
    # Written by DVC beside a checkpoint that it tracks.
    | {".gitignore"}
)
"""Names that training, ``report`` and DVC write into a run folder."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A file that is not as it was written.

    Attributes:
        path: Path relative to the project folder; for a file in storage, its URL.
        state: ``missing``, ``changed`` or ``foreign``.
        problem: Details of the problem; empty if the state says everything.
        next_step: How to repair it.

    """

    path: Path | str
    state: FileState
    problem: str
    next_step: str


@dataclass(frozen=True, slots=True)
class VerifiedFolder:
    """State of the files of a stage, a checkpoint, or a run's results.

    Attributes:
        path: Path relative to the project folder; for a stage in storage, its URL.
        n_intact: Number of files that are as they were written.
        findings: All other files.

    """

    path: Path | str
    n_intact: int
    findings: tuple[Finding, ...]

    def count(self, state: FileState) -> int:
        """Return the number of files in this state."""
        return self.n_intact if state == FileState.INTACT else sum(one.state == state for one in self.findings)


@dataclass(frozen=True, slots=True)
class Verification:
    """Result of ``verify``.

    Attributes:
        folders: Every stage, checkpoint, unfinished state and finished run, sorted by path, then the stages in storage.
        deep: Whether every byte was compared.

    """

    folders: tuple[VerifiedFolder, ...]
    deep: bool

    @property
    def findings(self) -> list[Finding]:
        """The findings of all folders."""
        return [finding for folder in self.folders for finding in folder.findings]


def verify(workspace: Workspace, *, deep: bool) -> Verification:
    """Compare names and sizes, or with ``deep`` every byte, of all files written below ``artifacts/``.

    A folder that is being written to at the moment may be reported as changed. See ``Project.verify``.
    """
    places = sorted(_places(workspace), key=lambda place: place[0])
    folders = []
    with workspace.reporter.task("verify", total=len(places), unit="folders") as advance:
        for folder, examine in places:
            findings = tuple(examine(folder, deep))
            intact = sum(one.state == FileState.INTACT for one in findings)
            wrong = tuple(one for one in findings if one.state != FileState.INTACT)
            folders.append(_below(workspace.root, VerifiedFolder(folder, intact, wrong)))
            advance(1)
    return Verification((*folders, *_stored(workspace, deep=deep)), deep)


_Examine = Callable[[Path, bool], Iterator[Finding]]


def _places(workspace: Workspace) -> Iterator[tuple[Path, _Examine]]:
    """Yield every folder with a record of its files, and stage folders without a manifest, with how to examine each."""
    artifacts = workspace.paths.folder
    for path in artifacts.rglob(MANIFEST_NAME):
        # The manifest in a checkpoint belongs to the checkpoint; the files that it lists are not beside it.
        if CHECKPOINT not in path.parts:
            yield path.parent, _stage
    for path in artifacts.rglob(METADATA):
        yield path.parent, _checkpoint
    for path in artifacts.rglob(METRICS):
        yield path.parent, _results
    for path in artifacts.rglob(f"{STATE}/{STATE_FILE}"):
        yield path.parent, _state
    for name, outline in STAGES.items():
        folders = (artifacts / name).glob("*/") if outline.per_dataset else (artifacts / name,)
        yield from ((one, _stage) for one in folders if one.is_dir() and not (one / MANIFEST_NAME).exists())


def _stage(folder: Path, deep: bool) -> Iterator[Finding]:
    hint = manifests.build_hint(folder)
    try:
        manifest = manifests.load(folder)
    except SsmiError as error:
        state = FileState.CHANGED if (folder / MANIFEST_NAME).exists() else FileState.MISSING
        yield Finding(folder / MANIFEST_NAME, state, error.message.partition(": ")[2], error.next_step)
        return
    kept = PINNED in folder.parts
    for name, state in manifests.file_states(manifest, folder, check_content=deep).items():
        # Of this stage, a run keeps only the pairs.
        if kept and manifest.stage == "pmi" and state == FileState.MISSING and name != PAIRS_FILE:
            continue
        yield Finding(folder / name, state, "", _TRAIN_AGAIN if kept else hint)
    yield Finding(folder / MANIFEST_NAME, FileState.INTACT, "", "")


def _stored(workspace: Workspace, *, deep: bool) -> Iterator[VerifiedFolder]:
    """Yield the stages in storage, if the project has storage."""
    remote = workspace.remote
    if remote is None:
        return
    from ssmi.pipeline.remote.stages import StoredStages  # loads fsspec

    remote.check_there()
    stored = StoredStages(remote)
    for place in stored.places():
        url, states = f"{remote}/{place}", stored.file_states(place, check_content=deep)
        # Remove the whole stage: a build compares only the sizes of files in storage.
        again = f"remove {url} there, then ssmi-cli --storage {quote(str(remote))} features build"
        wrong = tuple(
            Finding(f"{url}/{name}", state, "", _LEFT_BEHIND if state == FileState.FOREIGN else again)
            for name, state in states.items()
            if state != FileState.INTACT
        )
        yield VerifiedFolder(url, len(states) - len(wrong), wrong)


def _checkpoint(folder: Path, deep: bool) -> Iterator[Finding]:
    present = {path for path in folder.rglob("*") if path.is_file()} - {folder / RESULT_FILES}
    return _listed(folder, present, deep)


def _state(folder: Path, deep: bool) -> Iterator[Finding]:
    """Examine the state of an unfinished run: one file with weights and moments, and another that names it."""
    yield from _foreign(folder.parent)
    try:
        saved = states.find(folder.parent)
    except SsmiError as error:
        yield Finding(folder, FileState.CHANGED, error.message.partition(": ")[2], error.next_step)
        return
    if saved is not None:
        is_whole = not deep or not saved.file.is_file() or digest_file(saved.file) == saved.file_digest
        state = FileState.INTACT if is_whole else FileState.CHANGED
        yield Finding(saved.file, state if saved.file.is_file() else FileState.MISSING, "", _TRAIN_AGAIN)


def _results(run: Path, deep: bool) -> Iterator[Finding]:
    yield from _foreign(run)
    yield from _listed(run, {run / METRICS}, deep)


def _foreign(run: Path) -> Iterator[Finding]:
    """Yield files in a run folder that do not belong to the run."""
    for path in sorted(run.iterdir()):
        # A file that is being written, for example by ``report``, has a temporary name.
        if replacing.final_path(path).name not in _IN_RUN:
            yield Finding(path, FileState.FOREIGN, "", _MOVE_AWAY)


def _listed(folder: Path, present: set[Path], deep: bool) -> Iterator[Finding]:
    """Examine the files listed in a folder's digest file, and those present that the list lacks."""
    try:
        digests = {folder / name: digest for name, digest in result_files.read(folder).items()}
    except SsmiError as error:
        yield Finding(folder / RESULT_FILES, FileState.CHANGED, error.message.partition(": ")[2], error.next_step)
        return
    for path in sorted(present | digests.keys()):
        state = FileState.INTACT
        if path not in digests:
            state = FileState.FOREIGN
        elif not path.is_file():
            state = FileState.MISSING
        elif deep and digest_file(path) != digests[path]:
            state = FileState.CHANGED
        yield Finding(path, state, "", _TRAIN_AGAIN)


def _below(root: Path, folder: VerifiedFolder) -> VerifiedFolder:
    """Return ``folder`` with paths relative to the project folder."""
    findings = (replace(one, path=Path(one.path).relative_to(root)) for one in folder.findings)
    return VerifiedFolder(Path(folder.path).relative_to(root), folder.n_intact, tuple(findings))

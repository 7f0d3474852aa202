"""Whether everything below ``artifacts/`` is what was written: stages, runs and their checkpoints, kept features."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote

from ssmi.model.runs import state as states
from ssmi.model.runs.files import (
    CHECKPOINT,
    COUNTS,
    DROP_WEIGHTS,
    HEADLINE,
    HISTORY,
    MADE_FROM,
    METADATA,
    METRICS,
    RESULT_FILES,
    report_name,
)
from ssmi.model.runs.results import result_files
from ssmi.model.runs.state import STATE, STATE_FILE
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

_TRAIN_AGAIN = "train again, or bring the run over whole"
_MOVE_AWAY = "move it out of the run's folder"
_LEFT_BEHIND = "remove it, unless a build is sending it at the moment: one that was killed has left it"
_IN_RUN = frozenset(
    {CHECKPOINT, COUNTS, DROP_WEIGHTS, HEADLINE, HISTORY, MADE_FROM, METRICS, PINNED, RESULT_FILES, STATE}
    | {report_name(split) for split in SPLITS}
    # DVC's, beside a checkpoint that it keeps.
    | {".gitignore"}
)
"""What training, ``report`` and DVC leave in a run's folder."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A file that is not as it was written.

    Attributes:
        path: Below the project's folder; of a file in storage its URL.
        state: ``missing``, ``changed`` or ``foreign``.
        problem: More of it, where there is more to say.
        next_step: What to do.

    """

    path: Path | str
    state: FileState
    problem: str
    next_step: str


@dataclass(frozen=True, slots=True)
class VerifiedFolder:
    """What became of the files of a stage, a checkpoint, or a run's results.

    Attributes:
        path: Below the project's folder; of a stage in storage its URL.
        n_intact: Files that are as they were written.
        findings: All others.

    """

    path: Path | str
    n_intact: int
    findings: tuple[Finding, ...]

    def count(self, state: FileState) -> int:
        """Files in this state."""
        return self.n_intact if state == FileState.INTACT else sum(one.state == state for one in self.findings)


@dataclass(frozen=True, slots=True)
class Verification:
    """What ``verify`` found.

    Attributes:
        folders: One a stage, checkpoint and finished run, by path.
        deep: Whether every byte was compared.

    """

    folders: tuple[VerifiedFolder, ...]
    deep: bool

    @property
    def findings(self) -> list[Finding]:
        """Of all folders."""
        return [finding for folder in self.folders for finding in folder.findings]


def verify(workspace: Workspace, *, deep: bool) -> Verification:
    """Compare names and sizes, with ``deep`` every byte, of all that stages and training wrote; see ``Project.verify``.

    A folder that something is being written into at the moment may be told as changed.
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
    """Every folder that something vouches for, and stages that lack what does."""
    artifacts = workspace.paths.folder
    for path in artifacts.rglob(MANIFEST_NAME):
        # The one in a checkpoint is a file of it, and has no others beside it.
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
    for name, state in manifests.examine(manifest, folder, deep=deep).items():
        # A run keeps of this stage the pairs alone.
        if kept and manifest.stage == "pmi" and state == FileState.MISSING and name != PAIRS_FILE:
            continue
        yield Finding(folder / name, state, "", _TRAIN_AGAIN if kept else hint)
    yield Finding(folder / MANIFEST_NAME, FileState.INTACT, "", "")


def _stored(workspace: Workspace, *, deep: bool) -> Iterator[VerifiedFolder]:
    """The stages in storage, where there is one."""
    remote = workspace.remote
    if remote is None:
        return
    from ssmi.pipeline.remote.stages import StoredStages  # loads fsspec

    remote.check_there()
    stored = StoredStages(remote)
    for place in stored.places():
        url, states = f"{remote}/{place}", stored.examine(place, deep=deep)
        # The whole stage: a build compares sizes alone of what it finds there.
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
    """The state of a run that is not finished: its weights and moments are in one file, which the other one names."""
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
    """What lies in a run's folder and is not of it."""
    for path in sorted(run.iterdir()):
        # What is being written, ``report`` at its work, has a temporary name.
        if replacing.named(path).name not in _IN_RUN:
            yield Finding(path, FileState.FOREIGN, "", _MOVE_AWAY)


def _listed(folder: Path, present: set[Path], deep: bool) -> Iterator[Finding]:
    """The files of a list, and those that should be in it."""
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
    """The same, named as a person in the project's folder would."""
    findings = (replace(one, path=Path(one.path).relative_to(root)) for one in folder.findings)
    return VerifiedFolder(Path(folder.path).relative_to(root), folder.n_intact, tuple(findings))

"""The manifest that a stage writes beside its tables: row counts, skips by reason, digests of inputs and files.

The manifest is written last, so a folder without one is unfinished. It contains the digest of its own content, and no
time, host name or absolute path.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from shlex import quote
from typing import Any

import pyarrow.parquet as pq
from pydantic import ConfigDict, TypeAdapter, ValidationError, field_validator
from pydantic.dataclasses import dataclass

from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError, StaleArtifactError
from ssmi.pipeline.contract.parquet.schema import SCHEMA_VERSION
from ssmi.pipeline.contract.project.dataset_names import check_dataset_name
from ssmi.pipeline.contract.project.paths import ARTIFACTS
from ssmi.pipeline.contract.storage import plain_files, replacing
from ssmi.pipeline.contract.storage.digests import digest_file, digest_json, seal, unseal
from ssmi.pipeline.contract.storage.relative_names import stays_below
from ssmi.pipeline.contract.text.json_text import loads
from ssmi.pipeline.contract.wrong_values import mistakes

__all__ = [
    "MANIFEST_NAME",
    "FileEntry",
    "FileState",
    "Manifest",
    "StageReport",
    "StoredManifest",
    "build_hint",
    "check_parts",
    "describe_files",
    "digest_file",
    "digest_json",
    "file_states",
    "is_intact",
    "load",
    "mistakes",
    "parse",
    "read",
    "save",
]

MANIFEST_NAME = "manifest.json"
_EXACT = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, config=_EXACT)
class FileEntry:
    """One written file; ``rows`` is None for files that are not tables."""

    sha256: str
    n_bytes: int
    rows: int | None


@dataclass(frozen=True, slots=True, config=_EXACT)
class StageReport:
    """What a stage function reports about its work."""

    rows_in: int
    rows_out: int
    skipped: Mapping[str, int] = field(default_factory=dict)
    """Reason → number of items left out."""
    statistics: Mapping[str, Any] = field(default_factory=dict)
    """Named figures worth keeping, e.g. repaired tags or a held-out cosine. ``contract.parquet.statistics`` defines
    the types of the figures that other stages, the trainer or reports read."""


@dataclass(frozen=True, slots=True, config=_EXACT)
class Manifest:
    """The complete record of one run of a stage."""

    stage: str
    dataset: str | None
    parameters: Mapping[str, Any]
    inputs: Mapping[str, str]
    """Upstream manifest, raw file or asset → sha256."""
    report: StageReport
    files: Mapping[str, FileEntry]
    """Path relative to the stage folder → entry."""
    version: int
    """``Stage.version`` of the code that wrote the folder."""
    schema_version: int = SCHEMA_VERSION

    @field_validator("dataset")
    @classmethod
    def _plain_name(cls, dataset: str | None) -> str | None:
        """Refuse a name that would lead out of its folders: a manifest may come from somebody else."""
        try:
            return None if dataset is None else check_dataset_name(dataset)
        except ParameterError as error:
            raise ValueError(error.message) from None

    @field_validator("files")
    @classmethod
    def _below_the_folder(cls, files: Mapping[str, FileEntry]) -> Mapping[str, FileEntry]:
        """Refuse files outside the manifest's own folder: a manifest may come from somebody else."""
        for name in files:
            if not stays_below(name):
                raise ValueError(f"{name!r} is not a file below it")
        return files


_ADAPTER = TypeAdapter(Manifest)


@plain_dataclass(frozen=True, slots=True)
class StoredManifest:
    """A manifest and its bytes on disk, read once, so that its content and its digest always match."""

    manifest: Manifest
    body: bytes

    @property
    def digest(self) -> str:
        """sha256 of the file, by which later stages and runs identify the folder."""
        return hashlib.sha256(self.body).hexdigest()


class FileState(StrEnum):
    """State of a file compared with its manifest."""

    INTACT = "intact"
    MISSING = "missing"
    CHANGED = "changed"
    FOREIGN = "foreign"
    """The manifest does not name the file."""


def describe_files(folder: Path) -> dict[str, FileEntry]:
    """Return an entry for every file below ``folder`` except the manifest, in path order."""
    entries = {}
    for name, path in _files(folder).items():
        rows = pq.read_metadata(path).num_rows if path.suffix == ".parquet" else None
        entries[name] = FileEntry(digest_file(path), path.stat().st_size, rows)
    return entries


def _files(folder: Path) -> dict[str, Path]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST_NAME)
    return {path.relative_to(folder).as_posix(): path for path in paths}


def save(manifest: Manifest, folder: Path) -> None:
    """Write ``manifest.json`` atomically."""
    sealed = seal(_ADAPTER.dump_python(manifest, mode="json"))
    body = json.dumps(sealed, ensure_ascii=False, indent=1, sort_keys=True)
    with replacing.writing(folder / MANIFEST_NAME) as temporary:
        temporary.write_text(body + "\n", encoding="utf-8")


def load(folder: Path) -> Manifest:
    """Return the manifest of a stage's folder; raises the errors of ``read``."""
    return read(folder).manifest


def read(folder: Path) -> StoredManifest:
    """Read the manifest of a stage's folder.

    Raises:
        MissingResourceError: The stage was not built.
        StaleArtifactError: Another version wrote the manifest, or it is damaged, incomplete or cannot be read.
    """
    path = folder / MANIFEST_NAME
    try:
        body = plain_files.read_bytes(path)
    except FileNotFoundError as error:
        raise MissingResourceError(f"{folder}: not built", next_step=build_hint(folder)) from error
    except OSError as error:
        raise StaleArtifactError(f"{path}: cannot be read ({error.strerror})", next_step=build_hint(folder)) from error
    next_step = build_hint(folder)
    try:
        return StoredManifest(_parse(body), body)
    except _OtherVersionError as error:
        problem, next_step = str(error), _upgrade_hint(folder)
    except ValidationError as error:
        problem = f"incomplete ({mistakes(error)})"
    except (ValueError, RecursionError) as error:
        problem = f"damaged ({error})"
    raise StaleArtifactError(f"{path}: {problem}", next_step=next_step)


def parse(body: bytes) -> StoredManifest | None:
    """Parse a manifest that does not come from a local folder; None if it is damaged or of another version."""
    try:
        return StoredManifest(_parse(body), body)
    except (ValueError, RecursionError):
        return None


class _OtherVersionError(ValueError):
    """The manifest was written by another version of this program."""


@lru_cache(maxsize=256)
def _parse(body: bytes) -> Manifest:
    """Parse a manifest; cached by its bytes, because every file that is read from a folder needs it.

    Raises:
        ValueError: The manifest is damaged or of another version.
        ValidationError: Its keys are not those of a manifest; this is a ValueError too.
    """
    tree = loads(body.decode())
    # Checked first: for a manifest of another version, a list of its wrong keys would not help.
    version = tree.get("schema_version") if isinstance(tree, dict) else None
    if version != SCHEMA_VERSION:
        raise _OtherVersionError(f"schema version {version}, this program writes {SCHEMA_VERSION}")
    return _ADAPTER.validate_python(unseal(body))


def build_hint(folder: Path) -> str:
    """Return the command that builds a folder, guessed from its path, such as ``artifacts/<stage>[/<dataset>]``."""
    if folder.parent.name == ARTIFACTS:
        return "ssmi-cli features build --dataset NAME"
    if folder.parent.parent.name == ARTIFACTS and (folder.parents[1] / "prepare" / folder.name / "text").is_dir():
        return f"ssmi-cli features build --corpus PATH, where PATH is what {quote(folder.name)} was read from"
    if folder.parent.parent.name == ARTIFACTS:
        return f"ssmi-cli features build --dataset {quote(folder.name)}"
    # artifacts/ablate/DATASET/features/CONFIGURATION/STAGE/DATASET
    if len(folder.parents) > 4 and (folder.parents[2].name, folder.parents[4].name) == ("features", "ablate"):
        return f"ssmi-cli ablate --dataset {quote(folder.name)}"
    if len(folder.parents) > 2 and folder.parents[1].name == "predict":
        return f"ssmi-cli predict --shards {quote(folder.name)}, with the run {quote(folder.parent.name)}"
    return "put it back, or make it again"


def _upgrade_hint(folder: Path) -> str:
    """Return what to do about a folder that another version wrote."""
    hint = build_hint(folder)
    command = f": {hint}" if hint.startswith("ssmi-cli") else ", and train again"
    return f"build the features again with this version{command}"


def check_parts(manifest: Manifest, folder: Path) -> None:
    """Refuse a folder that lacks files named in its manifest, or has tables that the manifest does not name.

    Only names and sizes are compared; the content is verified when a file is opened (``checked_files``).

    Raises:
        StaleArtifactError: The folder differs from its manifest; the message names each difference.
    """
    problems = []
    for name, state in file_states(manifest, folder, check_content=False).items():
        path, entry = folder / name, manifest.files.get(name)
        if state == FileState.MISSING:
            problems.append(f"{name} is missing")
        elif state == FileState.CHANGED and entry is not None:
            problems.append(f"{name} has {path.stat().st_size:,} bytes, not {entry.n_bytes:,}")
        elif state == FileState.FOREIGN and path.suffix == ".parquet":
            problems.append(f"{name} is not one of its files")
    if problems:
        raise StaleArtifactError(
            f"{folder}: not what {MANIFEST_NAME} says: {'; '.join(problems)}", next_step=build_hint(folder)
        )


def file_states(manifest: Manifest, folder: Path, *, check_content: bool) -> dict[str, FileState]:
    """Return the state of every file of a folder by name, from names, sizes and, with ``check_content``, every byte."""
    present = _files(folder)

    def state(name: str) -> FileState:
        entry, path = manifest.files.get(name), present.get(name)
        if path is None or entry is None:
            return FileState.FOREIGN if entry is None else FileState.MISSING
        # The size is compared first: if it differs, nothing needs to be hashed.
        same = path.stat().st_size == entry.n_bytes and (not check_content or digest_file(path) == entry.sha256)
        return FileState.INTACT if same else FileState.CHANGED

    return {name: state(name) for name in sorted(present.keys() | manifest.files.keys())}


def is_intact(manifest: Manifest, folder: Path) -> bool:
    """Whether every file is present and unchanged, and no file was added."""
    return set(file_states(manifest, folder, check_content=True).values()) <= {FileState.INTACT}

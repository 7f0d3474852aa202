"""What a stage leaves beside its tables: rows in and out, skips by reason, inputs and files by digest.

The manifest is written last, so a folder without one was never finished. It holds no clock, host or absolute path.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path, PurePosixPath
from shlex import quote
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ConfigDict, TypeAdapter, ValidationError, field_validator
from pydantic.dataclasses import dataclass

from ssmi.pipeline.contract.dataset_names import check_dataset_name
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError, StaleArtifactError
from ssmi.pipeline.contract.paths import ARTIFACTS
from ssmi.pipeline.contract.schema import SCHEMA_VERSION

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
    """Reason → count of what did not pass."""
    statistics: Mapping[str, Any] = field(default_factory=dict)
    """Named figures worth keeping, e.g. repaired tags or a held-out cosine. ``contract.statistics`` has the types of
    those that other stages, the trainer or reports read."""


@dataclass(frozen=True, slots=True, config=_EXACT)
class Manifest:
    """The whole record of one stage run."""

    stage: str
    dataset: str | None
    parameters: Mapping[str, Any]
    inputs: Mapping[str, str]
    """Upstream manifests, raw files and assets → sha256."""
    report: StageReport
    files: Mapping[str, FileEntry]
    """Path relative to the stage folder → entry."""
    version: int
    """``Stage.version`` of the code that wrote the folder."""
    schema_version: int = SCHEMA_VERSION

    @field_validator("dataset")
    @classmethod
    def _plain_name(cls, dataset: str | None) -> str | None:
        """A manifest may come from somebody else: the name may not lead out of the folders that are named by it."""
        try:
            return None if dataset is None else check_dataset_name(dataset)
        except ParameterError as error:
            raise ValueError(error.message) from None

    @field_validator("files")
    @classmethod
    def _below_the_folder(cls, files: Mapping[str, FileEntry]) -> Mapping[str, FileEntry]:
        """A manifest may come from somebody else: it may only name files below its own folder."""
        for name in files:
            # A backslash is a letter to PurePosixPath, but parts folders on Windows.
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
                raise ValueError(f"{name!r} is not a file below it")
        return files


_ADAPTER = TypeAdapter(Manifest)


def digest_file(path: Path) -> str:
    """sha256 of a file, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_json(value: Any) -> str:
    """sha256 of a JSON value in canonical form."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def describe_files(folder: Path) -> dict[str, FileEntry]:
    """Entries for every file below ``folder`` except the manifest, in path order."""
    entries = {}
    for name, path in _files(folder).items():
        rows = pq.read_metadata(path).num_rows if path.suffix == ".parquet" else None
        entries[name] = FileEntry(digest_file(path), path.stat().st_size, rows)
    return entries


def _files(folder: Path) -> dict[str, Path]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST_NAME)
    return {path.relative_to(folder).as_posix(): path for path in paths}


def save(manifest: Manifest, folder: Path) -> None:
    """Write ``manifest.json``."""
    body = json.dumps(_ADAPTER.dump_python(manifest, mode="json"), ensure_ascii=False, indent=1, sort_keys=True)
    (folder / MANIFEST_NAME).write_text(body + "\n", encoding="utf-8")


def load(folder: Path) -> Manifest:
    """Read a stage folder's manifest.

    Raises:
        MissingResourceError: The stage was not built.
        StaleArtifactError: Another version built it.
    """
    path = folder / MANIFEST_NAME
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MissingResourceError(f"{folder}: not built", next_step=build_hint(folder)) from error
    except (ValueError, RecursionError) as error:
        raise StaleArtifactError(f"{path}: not JSON ({error})", next_step="build the features again") from error
    # Asked first: of a manifest of another version a list of its wrong keys would help nobody.
    version = body.get("schema_version") if isinstance(body, dict) else None
    if version != SCHEMA_VERSION:
        raise StaleArtifactError(
            f"{path}: schema version {version}, this program writes {SCHEMA_VERSION}",
            next_step="build the features again with this version",
        )
    try:
        return _ADAPTER.validate_python(body)
    except ValidationError as error:
        raise StaleArtifactError(
            f"{path}: incomplete ({mistakes(error)})", next_step="build the features again"
        ) from error


def mistakes(error: ValidationError) -> str:
    """Every mistake that pydantic found, as ``key: what is wrong``."""
    return "; ".join(
        f"{'.'.join(map(str, item['loc']))}: {item['msg'].removeprefix('Value error, ')}" for item in error.errors()
    )


def build_hint(folder: Path) -> str:
    """The command that makes a stage folder, guessed from its path ``artifacts/<stage>[/<dataset>]``."""
    if folder.parent.name == ARTIFACTS:
        return "ssmi-cli features build --dataset NAME"
    if folder.parent.parent.name == ARTIFACTS:
        return f"ssmi-cli features build --dataset {quote(folder.name)}"
    return "put it back, or make it again"


def check_parts(manifest: Manifest, folder: Path) -> None:
    """Refuse a folder whose tables are not those that its manifest names, by name and number of rows.

    Footers alone are read; ``intact`` compares every byte.

    Raises:
        StaleArtifactError: Naming each difference.
    """
    named = {name: entry.rows for name, entry in manifest.files.items() if entry.rows is not None}
    paths = {name: path for name, path in _files(folder).items() if path.suffix == ".parquet"}
    problems = [f"{name} is missing" for name in sorted(named.keys() - paths.keys())]
    problems += [f"{name} is not one of its files" for name in sorted(paths.keys() - named.keys())]
    for name in sorted(named.keys() & paths.keys()):
        try:
            rows = pq.read_metadata(paths[name]).num_rows
        except (OSError, pa.ArrowInvalid):
            problems.append(f"{name} is not a Parquet table")
            continue
        if rows != named[name]:
            problems.append(f"{name} holds {rows:,} rows, not {named[name]:,}")
    if problems:
        raise StaleArtifactError(
            f"{folder}: not what {MANIFEST_NAME} says: {'; '.join(problems)}", next_step=build_hint(folder)
        )


def intact(manifest: Manifest, folder: Path) -> bool:
    """Whether every file is there, unchanged, and nothing was added."""
    paths = _files(folder)
    return paths.keys() == manifest.files.keys() and all(
        # The size first: where it differs nothing needs to be hashed.
        path.stat().st_size == manifest.files[name].n_bytes and digest_file(path) == manifest.files[name].sha256
        for name, path in paths.items()
    )

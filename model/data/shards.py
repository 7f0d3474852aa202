"""Open a shard folder: its labels, its digests, and its sentences as flat arrays with offsets.

Characters and tags take 7 bytes per character, boundaries 4 bytes per kind and per slot of the sets (MSRA with best
boundaries only, 50,000 of them: opened in 2 s, 250 MB at the peak of reading). Stored hidden states stay on disk,
memory-mapped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ssmi.model.data.boundaries import BoundaryTable, Ids, Rows, read_table, read_words
from ssmi.model.data.features.boundary_roles import boundary_roles
from ssmi.model.data.features.cosine_gates import Gates, cosine_gates
from ssmi.model.data.features.feature_checks import REBUILD, check_windows
from ssmi.model.data.features.matches import Matches
from ssmi.model.data.features.segment_positions import segment_positions
from ssmi.model.data.hidden_states import StoredParts
from ssmi.model.data.split import RequiredFeatures, Split, character_kinds, padded
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.label_files import load_labels
from ssmi.pipeline.contract.labels import LabelSet, Span
from ssmi.pipeline.contract.manifest import Manifest, StoredManifest
from ssmi.pipeline.contract.offsets import offsets_of
from ssmi.pipeline.contract.parquet import tables
from ssmi.pipeline.contract.parquet.schema import SHARDS
from ssmi.pipeline.contract.parquet.statistics import ShardsStatistics, holds_labels, require_labels
from ssmi.pipeline.contract.project.paths import BOUNDARIES_FILE, LABELS_FILE

WITH_MATCHES = "build them with -S shards.matches=true"
_COLUMNS = ("characters", "token_ids", "tag_ids", "entities", "window_starts", "hidden_start")


@dataclass(frozen=True, slots=True)
class Shards:
    """An opened shard folder, without its sentences."""

    folder: Path
    labels: LabelSet
    boundaries: BoundaryTable
    stored: StoredManifest
    """The manifest as read on opening; every file read later is verified against it, even after a rebuild."""
    statistics: ShardsStatistics
    """How the shards were built."""
    is_text: bool = False
    """Whether the sentences have no gold; ``labels`` is then the label set to tag them with."""

    @property
    def manifest(self) -> Manifest:
        """The content of the manifest when the folder was opened."""
        return self.stored.manifest

    @property
    def digest(self) -> str:
        """sha256 of the manifest."""
        return self.stored.digest

    def parts(self, split: str) -> list[Path]:
        """Return the parts of a split, in order; empty if the split has none."""
        names = map(PurePosixPath, self.manifest.files)
        return tables.sort_parts(
            self.folder / name for name in names if name.parent.name == split and name.suffix == ".parquet"
        )


def open_shards(folder: Path, *, labels_of_text: LabelSet | None = None, whole: bool = True) -> Shards:
    """Open a shard folder; its sentences stay on disk.

    Args:
        folder: The shard folder.
        labels_of_text: Label set to tag unlabelled text with; if None, shards of such text are refused.
        whole: Whether all files must be present; files that are read are always verified against the manifest.

    Returns:
        The opened shards: labels, boundaries and digests.

    Raises:
        MissingResourceError: The shards were not built, or have no labels.
        StaleArtifactError: Another version built the shards, or the files differ from those named in the manifest.

    """
    stored = manifests.read(folder)
    manifest = stored.manifest
    is_text = not holds_labels(manifest)
    if labels_of_text is None:
        require_labels(manifest, folder)
    if whole:
        manifests.check_parts(manifest, folder)
    given = labels_of_text if is_text else None
    return Shards(
        folder,
        given or load_labels(folder / LABELS_FILE, manifest=manifest),
        read_table(folder / BOUNDARIES_FILE, manifest=manifest),
        stored,
        ShardsStatistics.of(manifest),
        is_text,
    )


def read_split(shards: Shards, split: str, *, boundaries: BoundaryTable, required: RequiredFeatures) -> Split:
    """Read a split.

    Args:
        shards: The opened shards.
        split: ``train``, ``dev`` or ``test``.
        boundaries: The table that gives the embedding rows: that of the shards or of a checkpoint.
        required: The features that the network reads; the other columns stay on disk.

    Returns:
        The split; empty if it has no parts.

    Raises:
        StaleArtifactError: A required feature is not stored, or a part is not a valid shard or has changed since the
            folder was opened.

    """
    return _read(shards, shards.parts(split), split, boundaries=boundaries, required=required)


def read_parts(
    shards: Shards, parts: Sequence[Path], *, boundaries: BoundaryTable, required: RequiredFeatures
) -> Split:
    """Read some parts of a split, at least one; see ``read_split`` for the other arguments and the errors."""
    names = f"{parts[0].parent.name}/{', '.join(part.stem for part in parts)}"
    return _read(shards, parts, names, boundaries=boundaries, required=required)


def _read(
    shards: Shards, paths: Sequence[Path], split: str, *, boundaries: BoundaryTable, required: RequiredFeatures
) -> Split:
    """Read the sentences of some parts; ``split`` names the parts in errors."""
    names = _columns(required)
    parts = [tables.read_table(path, SHARDS, columns=names, manifest=shards.manifest) for path in paths]
    parts = parts or [SHARDS.empty_table().select(names)]
    source = f"{shards.folder.name}/{split}"
    table = _SplitTable(pa.concat_tables(parts), boundaries, source)
    offsets = table.offsets
    tag_ids = np.zeros(offsets[-1], np.int16) if shards.is_text else table.of_characters("tag_ids").to_numpy()
    if tag_ids.size and not 0 <= tag_ids.min() <= tag_ids.max() < len(shards.labels.tags):
        raise StaleArtifactError(f"{source}: tag ids outside labels.json", next_step=REBUILD)
    stored = StoredParts(
        paths, parts if paths else [], shards.statistics.hidden_width, shards.folder, split, shards.manifest
    )
    window_offsets, window_starts = table.flat("window_starts")
    check_windows(offsets, window_offsets, window_starts.to_numpy(), limit=shards.statistics.max_window, source=source)
    texts = _texts(offsets, table.of_characters("characters"), source=source)
    return Split(
        offsets,
        table.of_characters("token_ids").to_numpy(),
        tag_ids,
        table.rows("best_ids") if required.best else None,
        table.rows("local_ids") if required.local else None,
        table.rows_of_sets("set_ids") if required.sets else None,
        table.rows_of_sets("negative_ids") if required.negatives else None,
        segment_positions(offsets, *table.flat("segment_starts"), source=source)
        if required.segment_positions
        else None,
        table.roles(texts, read_words(shards.folder / BOUNDARIES_FILE, manifest=shards.manifest))
        if required.boundary_roles
        else None,
        table.gates() if required.cosine_gates else None,
        character_kinds(texts),
        window_offsets,
        window_starts.to_numpy(),
        [()] * (len(offsets) - 1)
        if shards.is_text
        else _gold(*table.flat("entities"), labels=shards.labels, source=source),
        stored.hidden() if required.hidden else None,
        stored.specials() if required.special_states else None,
        table.matches() if required.matches else None,
    )


def characters_of(shards: Shards, split: str) -> list[list[str]]:
    """Read the characters of every sentence of a split, in order; raises the errors of ``read_split``."""
    parts = [
        tables.read_table(path, SHARDS, columns=["characters"], manifest=shards.manifest)
        for path in shards.parts(split)
    ]
    return [characters for part in parts for characters in part["characters"].to_pylist()]


def _columns(required: RequiredFeatures) -> list[str]:
    """Return the columns to read."""
    return [
        *_COLUMNS,
        *(("best_ids",) if required.best else ()),
        *(("local_ids",) if required.local else ()),
        *(("best_cosines",) if required.cosine_gates else ()),
        *(("set_ids",) if required.sets or required.cosine_gates else ()),
        *(("negative_ids",) if required.negatives else ()),
        *(("segment_starts",) if required.segment_positions else ()),
        *(("match_starts", "match_ends", "match_ids") if required.matches else ()),
    ]


@dataclass(frozen=True)
class _SplitTable:
    """All parts of a split as one table."""

    table: pa.Table
    boundaries: BoundaryTable
    source: str
    """Name of the split in errors."""

    @cached_property
    def offsets(self) -> Ids:
        """Where each sentence's characters begin. Shape: (n_sentences + 1,)."""
        return self.flat("token_ids")[0]

    def flat(self, name: str) -> tuple[Ids, Any]:
        """Return a list column as offsets and one flat Arrow array."""
        lists = self.table[name].combine_chunks()
        lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy().astype(np.int64)
        return offsets_of(lengths), lists.flatten()

    def of_characters(self, name: str) -> Any:
        """Return the flat values of a column with one value per character; StaleArtifactError for another number."""
        offsets, values = self.flat(name)
        if not np.array_equal(offsets, self.offsets):
            raise StaleArtifactError(f"{self.source}: {name} and token_ids differ in length", next_step=REBUILD)
        return values

    def rows(self, name: str) -> Rows:
        """Return the embedding row of each character's boundary. Shape: (n_characters,)."""
        return self.boundaries.rows_of(self.of_characters(name).to_numpy(), source=self.source)

    def rows_of_sets(self, name: str) -> Rows:
        """Return the embedding rows of each character's set. Shape: (n_characters, largest set)."""
        lists = self.of_characters(name)
        return padded(_sizes(lists), self.boundaries.rows_of(lists.flatten().to_numpy(), source=self.source))

    def roles(self, texts: Sequence[str], word_of: Mapping[int, str]) -> Rows:
        """Return the roles (see ``boundary_roles``); ``word_of`` maps ids to words. Shape: (n_characters,)."""
        ids = self.of_characters("best_ids").to_numpy()
        return boundary_roles(
            ids, texts, words_of=lambda ids: [word_of[id_] for id_ in ids.tolist()], source=self.source
        )

    def gates(self) -> Gates:
        """Return the gates; see ``cosine_gates``. Shape: (n_characters,)."""
        cosines, sets = self.of_characters("best_cosines"), self.of_characters("set_ids")
        return cosine_gates(cosines.to_numpy(), _sizes(sets))

    def matches(self) -> Matches:
        """Return the checked matches of every sentence; StaleArtifactError if the shards hold none."""
        if self.table["match_ids"].null_count:
            raise StaleArtifactError(f"{self.source}: no matches in it", next_step=WITH_MATCHES)
        offsets, starts = self.flat("match_starts")
        (end_offsets, ends), (id_offsets, ids) = self.flat("match_ends"), self.flat("match_ids")
        if not (np.array_equal(offsets, end_offsets) and np.array_equal(offsets, id_offsets)):
            raise StaleArtifactError(f"{self.source}: columns of matches differ in length", next_step=REBUILD)
        rows = self.boundaries.rows_of(ids.to_numpy(), source=self.source)
        matches = Matches(offsets, starts.to_numpy(), ends.to_numpy(), rows)
        matches.check(np.diff(self.offsets), source=self.source)
        return matches


def _sizes(lists: Any) -> npt.NDArray[np.integer[Any]]:
    """Return the number of values in each list of an Arrow column."""
    sizes: npt.NDArray[np.integer[Any]] = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    return sizes


def _texts(offsets: Ids, characters: Any, *, source: str) -> list[str]:
    """Return the sentences with one code point per character: the first of each item of ``characters``."""
    lists = pa.ListArray.from_arrays(offsets.astype(np.int32), pc.utf8_slice_codeunits(characters, 0, 1))
    texts: list[str] = pc.binary_join(lists, "").to_pylist()
    if sum(map(len, texts)) != offsets[-1]:
        raise StaleArtifactError(f"{source}: empty characters", next_step=REBUILD)
    return texts


def _gold(offsets: Ids, entities: Any, *, labels: LabelSet, source: str) -> list[list[Span]]:
    unknown = set(pc.unique(entities.field("label")).to_pylist()) - set(labels.entity_types)
    if unknown:
        raise StaleArtifactError(f"{source}: entity types outside labels.json: {sorted(unknown)}", next_step=REBUILD)
    columns = (entities.field(name).to_pylist() for name in ("start", "end", "label"))
    spans = [Span(*fields) for fields in zip(*columns, strict=True)]
    return [spans[start:end] for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)]

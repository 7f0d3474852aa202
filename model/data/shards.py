"""Open a shard folder: its labels, its digests, and its sentences as flat arrays with offsets.

Characters and tags take 7 bytes a character, boundaries 4 for each kind and for each slot of the sets (MSRA with best
boundaries alone, 50,000 of them: opened in 2 s, 250 MB at the peak of reading). Stored hidden states stay on disk,
memory-mapped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ssmi.model.data.boundaries import NO_BOUNDARY, BoundaryTable, Ids, RowLookup, Rows, read_table, read_words
from ssmi.model.data.boundary_roles import WordsOf, boundary_roles
from ssmi.model.data.cosine_gates import Gates, cosine_gates
from ssmi.model.data.hidden_states import HiddenStates, SpecialStates, StoredParts
from ssmi.model.data.matches import Matches
from ssmi.model.data.segment_positions import REBUILD, check_windows, segment_positions
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract import tables
from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.feature_rows import EncoderStates, FeatureRow
from ssmi.pipeline.contract.labels import LabelSet, Span
from ssmi.pipeline.contract.paths import BOUNDARIES_FILE, LABELS_FILE
from ssmi.pipeline.contract.schema import SHARDS
from ssmi.pipeline.contract.statistics import ShardsStatistics
from ssmi.pipeline.contract.text.words import edges

_IdColumn = Literal[
    "token_ids", "best_ids", "local_ids", "segment_starts", "window_starts", "match_starts", "match_ends", "match_ids"
]
WITH_MATCHES = "build them with -S shards.matches=true"
_COLUMNS = ("characters", "token_ids", "tag_ids", "entities", "window_starts", "hidden_start")


@dataclass(frozen=True, slots=True)
class RequiredFeatures:
    """What a network reads of a sentence beyond its characters and tags; the rest stays on disk."""

    best: bool = False
    local: bool = False
    sets: bool = False
    """The boundary sets."""
    negatives: bool = False
    segment_positions: bool = False
    """Where each character stands in its segment."""
    boundary_roles: bool = False
    """Where each character stands in its best boundary."""
    cosine_gates: bool = False
    """How far each best boundary is trusted."""
    hidden: bool = False
    """The stored states of its characters."""
    special_states: bool = False
    """Those of [CLS] and [SEP] of its windows."""
    matches: bool = False
    """Every vocabulary word that matches inside the sentence."""

    @property
    def boundaries(self) -> bool:
        """Whether vectors of boundaries are read."""
        return self.best or self.local or self.sets or self.matches


@dataclass(frozen=True, slots=True)
class Shards:
    """A shard folder without its sentences."""

    folder: Path
    labels: LabelSet
    boundaries: BoundaryTable
    digest: str
    """sha256 of its manifest."""
    statistics: ShardsStatistics
    """How they were made."""


@dataclass(frozen=True, slots=True)
class Split:
    """The sentences of a split, end to end; sentence ``i`` has ``[offsets[i], offsets[i + 1])`` of the flat arrays.

    Flat, because a batch is then gathered by one index into each array, with no loop over its sentences.

    Attributes:
        offsets: Where each sentence's characters begin. Shape: (n_sentences + 1,)
        token_ids: Of the encoder's vocabulary. Shape: (n_characters,)
        tag_ids: Indices of the label set's tags. Shape: (n_characters,)
        best_rows: Embedding rows of S_m, 0 for none. Shape: (n_characters,)
        local_rows: Row of the local boundary. Shape: (n_characters,)
        set_rows: Rows of the boundary set S_s, padded with 0. Shape: (n_characters, largest set)
        negative_rows: Rows of the negatives. Shape: (n_characters, most negatives)
        segment_positions: Where each character stands in its segment, an index of ``SEGMENT_POSITIONS``. Shape:
            (n_characters,)
        boundary_roles: Where each character stands in its best boundary, an index of ``BOUNDARY_ROLES``. Shape:
            (n_characters,)
        cosine_gates: How far each best boundary is trusted, from 0 to 1. Shape: (n_characters,)
        kinds: What each character is to an edge of an entity, as ``words.edges`` says. Shape: (n_characters,)
        window_offsets: Where each sentence's windows begin in ``window_starts``. Shape: (n_sentences + 1,)
        window_starts: Each window's first character, counted within its sentence. Shape: (n_windows,)
        gold: The entities of each sentence.
        hidden: The frozen encoder's states.
        special_states: Its states of [CLS] and [SEP].
        matches: The vocabulary words that match inside the sentences.

    """

    offsets: Ids
    token_ids: npt.NDArray[np.int32]
    tag_ids: npt.NDArray[np.int16]
    best_rows: Rows | None
    local_rows: Rows | None
    set_rows: Rows | None
    negative_rows: Rows | None
    segment_positions: Rows | None
    boundary_roles: Rows | None
    cosine_gates: Gates | None
    kinds: npt.NDArray[np.uint8]
    window_offsets: Ids
    window_starts: npt.NDArray[np.int32]
    gold: Sequence[Sequence[Span]]
    hidden: HiddenStates | None
    special_states: SpecialStates | None
    matches: Matches | None

    @property
    def lengths(self) -> Ids:
        """Characters of each sentence. Shape: (n_sentences,)."""
        return np.diff(self.offsets)

    def kinds_of(self, sentence: int) -> Sequence[int]:
        """``kinds`` of one sentence."""
        return self.kinds[self.offsets[sentence] : self.offsets[sentence + 1]].tobytes()

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def joined(cls, splits: Sequence[Split]) -> Split:
        """The sentences of several splits, which hold the same features, end to end."""
        values: dict[str, Any] = {
            item.name: _joined([getattr(split, item.name) for split in splits])
            for item in fields(cls)
            if item.name not in _NOT_OF_CHARACTERS
        }
        return cls(
            offsets=_offsets(np.concatenate([split.lengths for split in splits])),
            window_offsets=_offsets(np.concatenate([np.diff(split.window_offsets) for split in splits])),
            window_starts=np.concatenate([split.window_starts for split in splits]),
            gold=[spans for split in splits for spans in split.gold],
            hidden=HiddenStates.joined([split.hidden for split in splits]),
            special_states=SpecialStates.joined([split.special_states for split in splits]),
            matches=Matches.joined([split.matches for split in splits if split.matches is not None]),
            **values,
        )

    def take(self, rows: Ids) -> Split:
        """Some of its sentences, in the order of ``rows``."""
        characters, windows = _flat_indices(self.offsets, rows), _flat_indices(self.window_offsets, rows)
        values: dict[str, Any] = {
            item.name: None if (value := getattr(self, item.name)) is None else value[characters]
            for item in fields(self)
            if item.name not in _NOT_OF_CHARACTERS
        }
        return Split(
            offsets=_offsets(self.lengths[rows]),
            window_offsets=_offsets(np.diff(self.window_offsets)[rows]),
            window_starts=self.window_starts[windows],
            gold=[self.gold[row] for row in rows.tolist()],
            hidden=None if self.hidden is None else self.hidden.take(rows),
            special_states=None if self.special_states is None else self.special_states.take(rows),
            matches=None if self.matches is None else self.matches.take(rows),
            **values,
        )


_NOT_OF_CHARACTERS = frozenset(
    {"offsets", "window_offsets", "window_starts", "gold", "hidden", "special_states", "matches"}
)
"""The fields of ``Split`` that do not hold one value, or one row of a matrix, for each character."""


def _joined(arrays: Sequence[Rows | None]) -> Rows | None:
    """Arrays of characters end to end; matrices as wide as the widest, padded with 0, which is "no boundary"."""
    present = [array for array in arrays if array is not None]
    if not present:
        return None
    if present[0].ndim == 1:
        return np.concatenate(present)
    widest = max(array.shape[1] for array in present)
    return np.concatenate(
        [np.pad(array, ((0, 0), (0, widest - array.shape[1])), constant_values=NO_BOUNDARY) for array in present]
    )


def _flat_indices(offsets: Ids, rows: Ids) -> Ids:
    """The indices of all values of some sentences in a flat array, in the order of ``rows``. Shape: (n_values,)."""
    lengths = np.diff(offsets)[rows]
    before = np.concatenate(([0], np.cumsum(lengths)[:-1])) if len(rows) else np.empty(0, np.int64)
    return np.repeat(offsets[:-1][rows] - before, lengths) + np.arange(lengths.sum())


def open_shards(folder: Path) -> Shards:
    """Open a shard folder; its sentences stay on disk.

    Args:
        folder: The shard folder.

    Returns:
        Its labels, boundaries and digests.

    Raises:
        MissingResourceError: It was not built.
        StaleArtifactError: Another version built it, or its files are not those that its manifest names.

    """
    manifest = manifests.load(folder)
    manifests.check_parts(manifest, folder)
    return Shards(
        folder,
        LabelSet.load(folder / LABELS_FILE),
        read_table(folder / BOUNDARIES_FILE),
        manifests.digest_file(folder / manifests.MANIFEST_NAME),
        ShardsStatistics.of(manifest),
    )


def read_split(shards: Shards, split: str, *, boundaries: BoundaryTable, wanted: RequiredFeatures) -> Split:
    """Read a split.

    Args:
        shards: The opened folder.
        split: ``train``, ``dev`` or ``test``.
        boundaries: Gives the embedding rows: those of the shards, or of a checkpoint.
        wanted: What the network reads; the other columns stay on disk.

    Returns:
        The split; empty where it has no parts.

    Raises:
        StaleArtifactError: Hidden states are wanted and not stored, or a part is not what shards hold.

    """
    paths = tables.list_parts(shards.folder, split)
    names = _columns(wanted)
    parts = [tables.read_table(path, SHARDS, columns=names) for path in paths] or [SHARDS.empty_table().select(names)]
    source = f"{shards.folder.name}/{split}"
    whole = _Whole(pa.concat_tables(parts), boundaries, source)
    offsets = whole.offsets
    tag_ids = whole.of_characters("tag_ids").to_numpy()
    if tag_ids.size and not 0 <= tag_ids.min() <= tag_ids.max() < len(shards.labels.tags):
        raise StaleArtifactError(f"{source}: tag ids outside labels.json", next_step=REBUILD)
    stored = StoredParts(paths, parts if paths else [], shards.statistics.hidden_width, shards.folder, split)
    window_offsets, window_starts = whole.flat("window_starts")
    check_windows(offsets, window_offsets, window_starts.to_numpy(), limit=shards.statistics.max_window, source=source)
    texts = _texts(offsets, whole.of_characters("characters"), source=source)
    return Split(
        offsets,
        whole.of_characters("token_ids").to_numpy(),
        tag_ids,
        whole.rows("best_ids") if wanted.best else None,
        whole.rows("local_ids") if wanted.local else None,
        whole.rows_of_sets("set_ids") if wanted.sets else None,
        whole.rows_of_sets("negative_ids") if wanted.negatives else None,
        segment_positions(offsets, *whole.flat("segment_starts"), source=source) if wanted.segment_positions else None,
        whole.roles(texts, shards.folder / BOUNDARIES_FILE) if wanted.boundary_roles else None,
        whole.gates() if wanted.cosine_gates else None,
        _kinds(texts),
        window_offsets,
        window_starts.to_numpy(),
        _gold(*whole.flat("entities"), labels=shards.labels, source=source),
        stored.hidden() if wanted.hidden else None,
        stored.specials() if wanted.special_states else None,
        whole.matches() if wanted.matches else None,
    )


def characters_of(shards: Path, split: str) -> list[list[str]]:
    """The characters of every sentence of a split, in its order."""
    parts = [tables.read_table(path, SHARDS, columns=["characters"]) for path in tables.list_parts(shards, split)]
    return [characters for part in parts for characters in part["characters"].to_pylist()]


def _columns(wanted: RequiredFeatures) -> list[str]:
    """The columns to read."""
    return [
        *_COLUMNS,
        *(("best_ids",) if wanted.best else ()),
        *(("local_ids",) if wanted.local else ()),
        *(("best_cosines",) if wanted.cosine_gates else ()),
        *(("set_ids",) if wanted.sets or wanted.cosine_gates else ()),
        *(("negative_ids",) if wanted.negatives else ()),
        *(("segment_starts",) if wanted.segment_positions else ()),
        *(("match_starts", "match_ends", "match_ids") if wanted.matches else ()),
    ]


@dataclass(frozen=True)
class _Whole:
    """All parts of a split as one table."""

    table: pa.Table
    boundaries: BoundaryTable
    source: str
    """Names it in errors."""

    @cached_property
    def offsets(self) -> Ids:
        """Where each sentence's characters begin. Shape: (n_sentences + 1,)."""
        return self.flat("token_ids")[0]

    def flat(self, name: str) -> tuple[Ids, Any]:
        """A list column as offsets and one flat Arrow array."""
        lists = self.table[name].combine_chunks()
        lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy().astype(np.int64)
        return np.concatenate(([0], np.cumsum(lengths))), lists.flatten()

    def of_characters(self, name: str) -> Any:
        """The flat values of a column with one value a character; StaleArtifactError where it has more or fewer."""
        offsets, values = self.flat(name)
        if not np.array_equal(offsets, self.offsets):
            raise StaleArtifactError(f"{self.source}: {name} and token_ids differ in length", next_step=REBUILD)
        return values

    def rows(self, name: str) -> Rows:
        """Embedding rows of a boundary a character. Shape: (n_characters,)."""
        return self.boundaries.rows_of(self.of_characters(name).to_numpy(), source=self.source)

    def rows_of_sets(self, name: str) -> Rows:
        """Embedding rows of a set a character. Shape: (n_characters, largest set)."""
        lists = self.of_characters(name)
        return _padded(_sizes(lists), self.boundaries.rows_of(lists.flatten().to_numpy(), source=self.source))

    def roles(self, texts: Sequence[str], words: Path) -> Rows:
        """As ``boundary_roles`` says; ``words`` is the table that names the boundaries. Shape: (n_characters,)."""
        ids = self.of_characters("best_ids").to_numpy()
        word_of = read_words(words)
        return boundary_roles(
            ids, texts, words_of=lambda ids: [word_of[id_] for id_ in ids.tolist()], source=self.source
        )

    def gates(self) -> Gates:
        """As ``cosine_gates`` says. Shape: (n_characters,)."""
        cosines, sets = self.of_characters("best_cosines"), self.of_characters("set_ids")
        return cosine_gates(cosines.to_numpy(), _sizes(sets))

    def matches(self) -> Matches:
        """The matches of every sentence, checked; StaleArtifactError where the shards hold none."""
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
    """How many values each list of an Arrow column holds."""
    sizes: npt.NDArray[np.integer[Any]] = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    return sizes


def _padded(counts: npt.NDArray[np.integer[Any]], rows: Rows) -> Rows:
    """Sets that stand end to end, ``counts`` long, as the rows of a matrix. Shape: (n_sets, largest set)."""
    square = np.full((len(counts), int(counts.max(initial=0))), NO_BOUNDARY, dtype=np.int32)
    square[np.arange(square.shape[1]) < counts[:, None]] = rows
    return square


def split_of(
    rows: Sequence[FeatureRow],
    *,
    boundaries: RowLookup,
    wanted: RequiredFeatures,
    hidden: Sequence[EncoderStates] | None = None,
    words_of: WordsOf | None = None,
) -> Split:
    """Rows made on line as a split without gold; its tags mean nothing.

    Args:
        rows: The features of each sentence; negatives, which only training reads, are left out.
        boundaries: Gives the embedding rows.
        wanted: What the network reads.
        hidden: The encoder's states of each row, where wanted.
        words_of: Gives the words of boundaries, where their roles are wanted.

    Returns:
        The split, in the order of the rows.

    Raises:
        StaleArtifactError: A boundary has no embedding row, or does not hold its character.

    """
    columns = _RowColumns(rows, boundaries)
    offsets = columns.offsets("token_ids")
    window_offsets = columns.offsets("window_starts")
    states = specials = None
    if wanted.hidden:
        assert hidden is not None
        # As if all of them had been read from one file: a single part that holds every sentence.
        part = np.zeros(len(rows), dtype=np.int64)
        states = HiddenStates([np.concatenate([one.characters for one in hidden])], part, offsets[:-1])
        specials = SpecialStates([np.concatenate([one.specials for one in hidden])], part, window_offsets[:-1])
    positions = None
    if wanted.segment_positions:
        starts = columns.flat("segment_starts")
        positions = segment_positions(offsets, columns.offsets("segment_starts"), starts, source="rows")
    # One code point a character, as in `_texts`: the places in text and features must agree.
    texts = ["".join(one[:1] for one in row["characters"]) for row in rows]
    roles = None
    if wanted.boundary_roles:
        assert words_of is not None
        roles = boundary_roles(columns.flat("best_ids"), texts, words_of=words_of, source="rows")
    return Split(
        offsets,
        columns.flat("token_ids").astype(np.int32),
        np.zeros(int(offsets[-1]), dtype=np.int16),
        columns.rows("best_ids") if wanted.best else None,
        columns.rows("local_ids") if wanted.local else None,
        columns.rows_of_sets() if wanted.sets else None,
        None,
        positions,
        roles,
        columns.gates() if wanted.cosine_gates else None,
        _kinds(texts),
        window_offsets,
        columns.flat("window_starts").astype(np.int32),
        [[] for _ in rows],
        states,
        specials if wanted.special_states else None,
        columns.matches() if wanted.matches else None,
    )


@dataclass(frozen=True)
class _RowColumns:
    """Rows made on line, read column by column as ``_Whole`` reads a table."""

    feature_rows: Sequence[FeatureRow]
    boundaries: RowLookup

    def offsets(self, name: _IdColumn) -> Ids:
        """Where each sentence's values begin. Shape: (n_sentences + 1,)."""
        return _offsets([len(row[name] or ()) for row in self.feature_rows])

    def flat(self, name: _IdColumn) -> npt.NDArray[np.int64]:
        """The values of all sentences, end to end."""
        return np.fromiter(chain.from_iterable(row[name] or () for row in self.feature_rows), dtype=np.int64)

    def rows(self, name: _IdColumn) -> Rows:
        """Embedding rows of a boundary a character. Shape: (n_characters,)."""
        return self.boundaries.rows_of(self.flat(name), source=name)

    def rows_of_sets(self) -> Rows:
        """Embedding rows of S_s. Shape: (n_characters, largest set)."""
        sets = [members for row in self.feature_rows for members in row["set_ids"]]
        counts = np.array([len(members) for members in sets], dtype=np.int64)
        values = np.fromiter(chain.from_iterable(sets), dtype=np.int64)
        return _padded(counts, self.boundaries.rows_of(values, source="set_ids"))

    def gates(self) -> Gates:
        """As ``cosine_gates`` says. Shape: (n_characters,)."""
        cosines = np.fromiter(chain.from_iterable(row["best_cosines"] for row in self.feature_rows), dtype=np.float32)
        sets = chain.from_iterable(row["set_ids"] for row in self.feature_rows)
        return cosine_gates(cosines, np.fromiter(map(len, sets), dtype=np.int64, count=len(cosines)))

    def matches(self) -> Matches:
        """The matches of every sentence."""
        starts, ends = (self.flat(name).astype(np.int32) for name in ("match_starts", "match_ends"))
        return Matches(self.offsets("match_starts"), starts, ends, self.rows("match_ids"))


def _offsets(lengths: Sequence[int] | Ids) -> Ids:
    return np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))


def _texts(offsets: Ids, characters: Any, *, source: str) -> list[str]:
    """The sentences, a code point each character; a longer item of ``characters`` counts by its first."""
    lists = pa.ListArray.from_arrays(offsets.astype(np.int32), pc.utf8_slice_codeunits(characters, 0, 1))
    texts: list[str] = pc.binary_join(lists, "").to_pylist()
    if sum(map(len, texts)) != offsets[-1]:
        raise StaleArtifactError(f"{source}: empty characters", next_step=REBUILD)
    return texts


def _kinds(texts: Sequence[str]) -> npt.NDArray[np.uint8]:
    """What ``words.edges`` says of each sentence, end to end."""
    return np.frombuffer(b"".join(map(edges, texts)), dtype=np.uint8)


def _gold(offsets: Ids, entities: Any, *, labels: LabelSet, source: str) -> list[list[Span]]:
    unknown = set(pc.unique(entities.field("label")).to_pylist()) - set(labels.entity_types)
    if unknown:
        raise StaleArtifactError(f"{source}: entity types outside labels.json: {sorted(unknown)}", next_step=REBUILD)
    columns = (entities.field(name).to_pylist() for name in ("start", "end", "label"))
    spans = [Span(*fields) for fields in zip(*columns, strict=True)]
    return [spans[start:end] for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)]

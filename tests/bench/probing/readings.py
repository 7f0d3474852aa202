"""Features of each character of a data set's train and dev, as columns for a linear classifier."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ssmi.model.data.boundaries import Rows
from ssmi.model.data.features.boundary_roles import BOUNDARY_ROLES
from ssmi.model.data.features.segment_positions import SEGMENT_POSITIONS
from ssmi.model.data.folds import PARTS
from ssmi.model.data.shards import Shards, characters_of, open_shards, read_split
from ssmi.model.data.split import RequiredFeatures, Split
from ssmi.pipeline.columns.lists import whole
from ssmi.pipeline.contract.labels import LabelSet
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.project.paths import ArtifactPaths
from ssmi.pipeline.lexicon.segment_vector_files import open_segment_vectors

Matrix = npt.NDArray[np.float32]
"""Matrix of float32, one row per character."""

READINGS = ("states", "segment", "places", "best", "set", "local", "role", "cosine", "gated")
"""The names that ``Readings.of`` accepts; each is computed by the property of that name with a leading underscore."""


@dataclass(frozen=True)
class Readings:
    """Features of a project for train and dev of a data set, concatenated.

    Attributes:
        split: The sentences.
        texts: Their characters.
        labels: The tags.
        vectors: Boundary vectors by row; row 0 is zero. Shape: (n_boundaries + 1, d)
        segments: E_seg of each character. Shape: (n_characters, d)
        cosines: Cosine of S_m with the segment, 0 without S_m. Shape: (n_characters,)

    """

    split: Split
    texts: Sequence[Sequence[str]]
    labels: LabelSet
    vectors: Matrix
    segments: Matrix
    cosines: npt.NDArray[np.float32]

    def of(self, name: str) -> Matrix:
        """Return one reading. Shape: (n_characters, its width). ValueError for an unknown name or missing states."""
        if name not in READINGS:
            raise ValueError(f"{name}: none of {', '.join(READINGS)}")
        matrix: Matrix = getattr(self, f"_{name}")
        return matrix

    @property
    def has_states(self) -> bool:
        """Whether the shards store the encoder's states."""
        return self.split.hidden is not None

    @property
    def _segment(self) -> Matrix:
        return self.segments

    @cached_property
    def _states(self) -> Matrix:
        if self.split.hidden is None:
            raise ValueError("shards without states; build them with -S shards.hidden=true")
        lengths = enumerate(self.split.lengths.tolist())
        return np.concatenate([self.split.hidden.of(row, length=length) for row, length in lengths]).astype(np.float32)

    @property
    def _places(self) -> Matrix:
        return _one_hot(self.split.segment_positions, len(SEGMENT_POSITIONS))

    @property
    def _role(self) -> Matrix:
        return _one_hot(self.split.boundary_roles, len(BOUNDARY_ROLES))

    @property
    def _best(self) -> Matrix:
        return self.vectors[_present(self.split.best_rows)]

    @property
    def _local(self) -> Matrix:
        return self.vectors[_present(self.split.local_rows)]

    @property
    def _set(self) -> Matrix:
        rows = _present(self.split.set_rows)
        total = np.zeros((len(rows), self.vectors.shape[1]), np.float32)
        for column in rows.T:  # column by column: all members at once would take gigabytes
            total += self.vectors[column]
        return total / np.maximum((rows > 0).sum(1, keepdims=True), 1).astype(np.float32)

    @property
    def _cosine(self) -> Matrix:
        return self.cosines[:, None]

    @property
    def _gated(self) -> Matrix:
        gates = self.split.cosine_gates
        assert gates is not None
        return self._best * gates[:, None]


def read_readings(project: Path, dataset: str) -> Readings:
    """Read a project's features of a data set. Raises the errors of ``open_shards`` and ``read_split``."""
    paths = ArtifactPaths(project)
    shards = open_shards(paths.shards(dataset))
    required = RequiredFeatures(
        best=True, local=True, sets=True, segment_positions=True, boundary_roles=True, cosine_gates=True,
        hidden=shards.statistics.hidden_width is not None,
    )  # fmt: skip
    split = Split.joined([read_split(shards, part, boundaries=shards.boundaries, required=required) for part in PARTS])
    vectors = shards.boundaries.vectors
    return Readings(
        split,
        [text for part in PARTS for text in characters_of(shards, part)],
        shards.labels,
        np.concatenate((np.zeros((1, vectors.shape[1]), np.float32), vectors)),
        np.concatenate([*_segment_vectors(paths, dataset)]),
        np.concatenate([*_cosines(shards)]),
    )


def reading_of(name: str, projects: Mapping[str, Readings]) -> Matrix:
    """Return ``READING`` of the first project, or ``READING@PROJECT``.

    States that a project does not store are taken from the first project. Shape: (n_characters, its width)
    """
    first = next(iter(projects.values()))
    reading, _, project = name.partition("@")
    readings = projects[project] if project else first
    return (first if reading == "states" and not readings.has_states else readings).of(reading)


def _segment_vectors(paths: ArtifactPaths, dataset: str) -> Iterator[Matrix]:
    """Yield E_seg of each character, part by part."""
    known = open_segment_vectors(paths.stage("embed", dataset), digest="")
    for part in PARTS:
        for path in tables.list_parts(paths.stage("segment", dataset), part):
            table = tables.read_table(path, schema.SEGMENTS, columns=["segments"])
            segments = whole(table, "segments").flatten().to_pylist()
            # int64 even if all sentences of a part are empty.
            rows = np.array([known.row_of[segment] for segment in segments], dtype=np.int64)
            yield known.vectors[np.repeat(rows, [len(segment) for segment in segments])]


def _cosines(shards: Shards) -> Iterator[npt.NDArray[np.float32]]:
    for part in PARTS:
        for path in shards.parts(part):
            table = tables.read_table(path, schema.SHARDS, columns=["best_cosines"], manifest=shards.manifest)
            yield whole(table, "best_cosines").flatten().to_numpy()


def _one_hot(rows: Rows | None, width: int) -> Matrix:
    return np.eye(width, dtype=np.float32)[_present(rows)]


def _present(rows: Rows | None) -> Rows:
    assert rows is not None  # all were read
    return rows


def have_same_sentences(one: Readings, other: Readings) -> bool:
    """Whether two projects have the same sentences with the same tags."""
    same_tags = np.array_equal(one.split.tag_ids, other.split.tag_ids) and one.labels == other.labels
    return same_tags and list(map(list, one.texts)) == list(map(list, other.texts))

"""Typed statistics in the manifests of stages, as later stages, the trainer, the tagger and reports read them.

A stage writes ``X(...).to_json()`` into its report; readers get it back with ``X.of(manifest)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError
from ssmi.pipeline.contract.label_groups import LabelGroups
from ssmi.pipeline.contract.manifest import Manifest
from ssmi.pipeline.contract.parameters.params import (
    EmbedParams,
    EncoderParams,
    PmiParams,
    PrepareParams,
    SegmentParams,
    SelectionParams,
    VocabParams,
)
from ssmi.pipeline.contract.project.paths import LABELS_FILE
from ssmi.pipeline.contract.wrong_values import mistakes


class _Record(BaseModel):
    """A frozen record that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values by field name."""
        return self.model_dump(mode="json")


class _Statistics(_Record):
    """Statistics that one stage reports about its own work."""

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """Read the statistics from a manifest of this stage.

        Raises:
            StaleArtifactError: Another version wrote the statistics; the message names every unknown and missing key.

        """
        try:
            return cls.model_validate(dict(manifest.report.statistics))
        except ValidationError as error:
            what = f"{manifest.stage}{f' of {manifest.dataset}' if manifest.dataset else ''}"
            raise StaleArtifactError(
                f"the manifest of {what} is of another version ({mistakes(error)})",
                next_step="build the features again with this version, and train on them",
            ) from error


class AlignmentFit(_Record):
    """How well the map from BERT's space to the space of the word vectors fits."""

    fitted_words: int
    held_out_words: int
    held_out_cosine: float
    """Mean cosine of mapped and true vectors of the held-out words."""
    shuffled_cosine: float
    """Mean cosine with the true vectors shuffled, as the chance level."""


class ExtraWords(_Record):
    """What became of the words of ``vocab.extra_words``."""

    listed: int
    added: int
    left_out: Mapping[str, int]
    """Reason → count."""
    encoder_digest: str | None = None
    alignment: AlignmentFit | None = None
    """How well the words' vectors were mapped; None, like ``encoder_digest``, if no word was added."""


class VocabStatistics(_Statistics):
    """What the vocab stage read."""

    width: int
    format: str
    container: str
    """Compression or archive format of the file; empty if it was not packed."""
    encoding: str
    rows_in_header: int | None
    read_to_the_end: bool
    repairs: Mapping[str, int]
    licence: str
    member: str | None = None
    """Name of the file inside an archive; None without an archive."""
    members_passed_over: int = 0
    extra_words: ExtraWords | None = None


class PrepareStatistics(_Statistics):
    """What the prepare stage read and wrote."""

    licence: str
    schemes: Mapping[str, str | None]
    """File name → tag scheme."""
    repairs: Mapping[str, int]
    sentences: Mapping[str, int]
    """Split → sentences written."""
    characters: int
    entities: int
    dev_cut_from_train: bool
    label_groups: LabelGroups
    """Groups of entity types, as the data set's record declares them."""
    source: str | None = None
    """Where the files of a corpus lie; None for a data set, and in manifests of version 0.1."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values by field name, without ``source`` if it is None."""
        return self.model_dump(mode="json", exclude=None if self.source is not None else {"source"})


class EmbedStatistics(_Statistics):
    """What the embed stage embedded."""

    distinct_segments: int
    oov_segments: int
    precomputed_segments: int
    encoder_digest: str
    alignment: AlignmentFit | None
    """None if no map is fitted (``embed.space: bert``)."""


class FeatureParameters(_Record):
    """The parameters of every stage before the shards."""

    encoder: EncoderParams
    vocab: VocabParams
    prepare: PrepareParams
    segment: SegmentParams
    embed: EmbedParams
    selection: SelectionParams
    pmi: PmiParams


class EncoderSize(NamedTuple):
    """Size of the encoder that shards were built with, which determines defaults of the trainer."""

    width: int
    layers: int


class ShardsStatistics(_Statistics):
    """How the shards were built: everything that the trainer and the tagger must know."""

    vocabulary_digest: str
    """sha256 of the vocabulary's manifest."""
    embed_digest: str
    """sha256 of the embed stage's manifest."""
    user_dict_digest: str | None
    """sha256 of the segmenter's user dictionary; None without one."""
    encoder_digest: str
    encoder_width: int
    encoder_layers: int
    """Number of layers of the encoder."""
    n_tokens: int
    """Size of the encoder's vocabulary; all token ids are below it."""
    max_window: int
    """Maximum number of characters in one window."""
    windowed_sentences: int
    """Sentences with more characters than ``max_window``."""
    boundaries: int
    boundary_width: int
    hidden_width: int | None
    """Width of the stored hidden states; None without hidden states."""
    hidden_layers: int | None
    """Number of the encoder's first layers that computed the hidden states; None without hidden states."""
    matches: bool
    """Whether the rows hold every vocabulary word that matches inside the sentence."""
    hidden_norm: bool = True
    """Whether the norm after the encoder's last layer was applied to the hidden states."""
    label_groups: LabelGroups
    """Groups of entity types that are also scored together."""
    feature_parameters: FeatureParameters

    @property
    def encoder_size(self) -> EncoderSize:
        """Size of the whole encoder."""
        return EncoderSize(self.encoder_width, self.encoder_layers)


def holds_labels(shards: Manifest) -> bool:
    """Whether shards have labels, according to their manifest; the shards of a corpus have none."""
    return LABELS_FILE in shards.files


def require_labels(shards: Manifest, folder: Path) -> None:
    """Raise MissingResourceError for the shards of a corpus, on which nothing can be trained or scored."""
    if not holds_labels(shards):
        raise MissingResourceError(
            f"{folder}: text without labels, so there is nothing to train on or to score",
            next_step=f"ssmi-cli predict --shards {quote(folder.name)} tags it with a run",
        )

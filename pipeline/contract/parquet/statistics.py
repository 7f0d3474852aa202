"""The statistics of a stage's manifest that others read, typed: the seam from stages to trainer, tagger and reports.

A stage writes ``X(...).to_json()`` into its report; everybody else reads it back with ``X.of(manifest)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError
from ssmi.pipeline.contract.label_groups import LabelGroups
from ssmi.pipeline.contract.manifest import Manifest, mistakes
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


class _Record(BaseModel):
    """Frozen, and refuses keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values under the names of the fields."""
        return self.model_dump(mode="json")


class _Statistics(_Record):
    """What one stage says of its own work."""

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """Read the statistics of a manifest of this stage.

        Raises:
            StaleArtifactError: Another version wrote them; every unknown and missing key is named.

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
    """How well the map from BERT's space to that of the word vectors fits."""

    fitted_words: int
    held_out_words: int
    held_out_cosine: float
    """Mean cosine of mapped and true vectors of the held-out words."""
    shuffled_cosine: float
    """Mean cosine with the true vectors shuffled: what chance gives."""


class ExtraWords(_Record):
    """What became of the words of ``vocab.extra_words``."""

    listed: int
    added: int
    left_out: Mapping[str, int]
    """Reason → count."""
    encoder_digest: str | None = None
    alignment: AlignmentFit | None = None
    """How well the words' vectors were mapped; like ``encoder_digest`` None where no word was added."""


class VocabStatistics(_Statistics):
    """What the vocab stage read."""

    width: int
    format: str
    container: str
    """What the file was packed in; empty where it was not."""
    encoding: str
    rows_in_header: int | None
    read_to_the_end: bool
    repairs: Mapping[str, int]
    licence: str
    member: str | None = None
    """The file inside an archive, where there is one."""
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
    """As the data set's record declares them."""
    source: str | None = None
    """Of a corpus, where its files lie; None for a data set, and in what version 0.1 wrote."""

    def to_json(self) -> dict[str, Any]:
        """Without ``source`` where there is none."""
        return self.model_dump(mode="json", exclude=None if self.source is not None else {"source"})


class EmbedStatistics(_Statistics):
    """What the embed stage embedded."""

    distinct_segments: int
    oov_segments: int
    precomputed_segments: int
    encoder_digest: str
    alignment: AlignmentFit | None
    """None where no map is fitted (``embed.space: bert``)."""


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
    """What the trainer's defaults follow: of the encoder that shards were built with."""

    width: int
    layers: int


class ShardsStatistics(_Statistics):
    """How the shards were made: all that the trainer and the tagger must know."""

    vocabulary_digest: str
    """sha256 of the vocabulary's manifest."""
    embed_digest: str
    """sha256 of the embed stage's manifest."""
    user_dict_digest: str | None
    """sha256 of the segmenter's user dictionary; None without one."""
    encoder_digest: str
    encoder_width: int
    encoder_layers: int
    """How many layers the encoder has."""
    n_tokens: int
    """Size of the encoder's vocabulary: token ids are below it."""
    max_window: int
    """The most characters that one window holds."""
    windowed_sentences: int
    """Sentences with more characters than ``max_window``."""
    boundaries: int
    boundary_width: int
    hidden_width: int | None
    """Width of the stored hidden states; None when there are none."""
    hidden_layers: int | None
    """How many first layers of the encoder the hidden states come from; None when there are none."""
    matches: bool
    """Whether the rows hold every vocabulary word that matches inside the sentence."""
    hidden_norm: bool = True
    """Whether a norm behind the encoder's last layer was applied to the hidden states."""
    label_groups: LabelGroups
    """Groups of entity types that are also scored together."""
    feature_parameters: FeatureParameters

    @property
    def encoder_size(self) -> EncoderSize:
        """Of the whole encoder."""
        return EncoderSize(self.encoder_width, self.encoder_layers)


def holds_labels(shards: Manifest) -> bool:
    """Whether shards are of a data set, by their manifest: those of a corpus have no labels."""
    return LABELS_FILE in shards.files


def require_labels(shards: Manifest, folder: Path) -> None:
    """Refuse the shards of a corpus, on which nothing can be trained or scored. Raises MissingResourceError."""
    if not holds_labels(shards):
        raise MissingResourceError(
            f"{folder}: text without labels, so there is nothing to train on or to score",
            next_step=f"ssmi-cli predict --shards {folder.name} tags it with a run",
        )

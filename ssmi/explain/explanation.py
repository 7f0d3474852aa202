"""Explanation of the boundaries of a character in a segment: all candidates by cosine, as in the paper's Figure 1."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from threadpoolctl import ThreadpoolController

from ssmi.pipeline.assets.encoder_files import encoder_digest
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.encoders.vocabulary import encoder_vocabulary
from ssmi.pipeline.contract.errors import ParameterError, SsmiError, StaleArtifactError
from ssmi.pipeline.contract.manifest import Manifest
from ssmi.pipeline.contract.parameters.params import EmbedParams, SelectionParams
from ssmi.pipeline.contract.parquet.statistics import EmbedStatistics
from ssmi.pipeline.contract.storage.digests import short_digest
from ssmi.pipeline.contract.text.wording import abbreviated, counted
from ssmi.pipeline.features.alignment import isolated_vectors
from ssmi.pipeline.features.candidates import CandidateSelector, Query
from ssmi.pipeline.features.text.tokens import CharacterTokens
from ssmi.pipeline.features.vocabulary import FloatArray, Vocabulary, normalised
from ssmi.pipeline.lexicon.alignment_file import ALIGNMENT_FILE, open_alignment
from ssmi.pipeline.lexicon.segment_vector_files import open_segment_vectors
from ssmi.pipeline.lexicon.vocabulary_files import open_vocabulary
from ssmi.pipeline.online.oov_vectors import OnlineOovVectors

Source = Literal["vocabulary", "stored", "encoder"]
"""Origin of a segment's vector: the vocabulary, the vectors stored with the features, or the encoder on demand."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A word that contains the character.

    Attributes:
        rank: Rank by cosine, from 1; ties are broken by boundary id.
        word: The word.
        cosine: Cosine with the segment, from -1 to 1.
        best: Whether it is the best boundary.
        in_set: Whether it is in the boundary set.
        negative: Whether it is one of the negatives.

    """

    rank: int
    word: str
    cosine: float
    best: bool
    in_set: bool
    negative: bool

    @property
    def chosen(self) -> bool:
        """Whether the features use the candidate in any role."""
        return self.best or self.in_set or self.negative


@dataclass(frozen=True, slots=True)
class Explanation:
    """All candidates of a character in a segment, the nearest first.

    Attributes:
        character: The character.
        segment: The segment that contains the character.
        source: Origin of the segment's vector.
        without_context: Whether the vector comes from the segment alone, although the features use whole sentences.
        params: The parameters by which boundaries are chosen.
        candidates: Every word of the vocabulary that contains the character, without the segment if it is excluded.

    """

    character: str
    segment: str
    source: Source
    without_context: bool
    params: SelectionParams
    candidates: tuple[Candidate, ...]

    def __repr__(self) -> str:
        """Return the character, the segment and the nearest words, in one line."""
        nearest = abbreviated([one.word for one in self.candidates])
        found = counted(len(self.candidates), "candidate")
        return f"<Explanation of {self.character} in {self.segment}: {found} ({nearest})>"

    @property
    def n_over_threshold(self) -> int:
        """Number of candidates above the threshold of the boundary set."""
        return sum(one.cosine > self.params.threshold for one in self.candidates)

    @property
    def notes(self) -> list[str]:
        """The differences between this explanation and the features, one sentence each."""
        notes = []
        if self.without_context:
            notes.append("the vector is of the segment alone; the features take the mean over its sentences")
        if self.params.scope == "sentence":
            notes.append(
                "selection.scope is sentence: there, only words found over the character in the sentence count"
            )
        if self.params.choice == "random":
            notes.append("selection.choice is random: best and set are drawn, not the nearest")
        return notes

    def nearest(self, n: int) -> list[Candidate]:
        """Return the ``n`` nearest candidates and all chosen candidates; with 0, return all candidates."""
        return [one for one in self.candidates if not n or one.rank <= n or one.chosen]

    def to_json(self, shown: Sequence[Candidate]) -> dict[str, Any]:
        """Return what ``ssmi-cli explain --json`` prints, with the given candidates."""
        return {
            "character": self.character,
            "segment": self.segment,
            "vector": self.source,
            "threshold": self.params.threshold,
            "n_candidates": len(self.candidates),
            "candidates": [{**asdict(one), "cosine": round(one.cosine, 6)} for one in shown],
            "notes": self.notes,
        }


def explain(
    character: str,
    segment: str,
    *,
    vocab: Path,
    embed: Path,
    params: SelectionParams,
    find_encoder: Callable[[], Path],
) -> Explanation:
    """Rank all words that contain ``character`` by their cosine with ``segment``, and select as the features do.

    The whole vocabulary is searched, whatever ``params.scope``, because there is no sentence.

    Args:
        character: A single character.
        segment: The word segment that contains the character.
        vocab: The built folder of the stage ``vocab``.
        embed: The built folder of the stage ``embed``.
        params: The parameters by which boundaries are chosen.
        find_encoder: Returns the encoder folder; called only for a segment that is in neither folder.

    Returns:
        All candidates, the nearest first, and the role in which each is selected.

    Raises:
        ParameterError: The segment does not contain the character, or one of them is malformed.
        SsmiError: No word contains the character.
        MissingResourceError: A folder or the encoder does not exist.
        StaleArtifactError: The folders or the encoder do not belong together.

    """
    _check_question(character, segment)
    built = manifests.load(embed)
    vocab_digest = manifests.digest_file(_manifest_of(vocab))
    if built.inputs.get("artifacts/vocab") != vocab_digest:
        raise StaleArtifactError(
            f"{embed} was not built with {vocab}", next_step=manifests.build_hint(embed) + ", then ask again"
        )
    vocabulary = open_vocabulary(vocab, digest=vocab_digest)
    if not len(vocabulary.boundaries_of(character)):
        raise SsmiError(
            f"{character!r}: none of the {len(vocabulary):,} words of the vocabulary holds it",
            next_step="ask about another character, or build with other word vectors (vocab.vectors)",
        )
    stored = open_segment_vectors(embed, manifests.digest_file(_manifest_of(embed)))
    source: Source = "vocabulary" if segment in vocabulary else "stored" if segment in stored else "encoder"
    made_with = EmbedParams.model_validate(built.parameters["embed"])
    fresh = {segment: _embedded(segment, built, made_with, embed, find_encoder())} if source == "encoder" else {}
    candidates = _ranked(character, segment, vocabulary, OnlineOovVectors(fresh, stored), params)
    if not candidates:
        raise SsmiError(
            f"{character!r} in {segment!r}: the segment itself is the only word that holds it, and it is excluded",
            next_step="ask with -S selection.exclude_segment=false, or about another segment",
        )
    without_context = source == "encoder" and made_with.context == "sentence"
    return Explanation(character, segment, source, without_context, params, candidates)


def _check_question(character: str, segment: str) -> None:
    if len(character) != 1:
        raise ParameterError(f"{character!r}: not one character", next_step="ssmi-cli explain 言 --segment 语言学")
    if any(unicodedata.category(one) in ("Cc", "Cs") for one in segment):
        raise ParameterError(
            f"{segment!r}: holds control characters, or bytes that are not UTF-8", next_step="fix the segment"
        )
    if character not in segment:
        raise ParameterError(
            f"{character!r} does not occur in the segment {segment!r}",
            next_step="ask about a character of the segment, for example ssmi-cli explain 言 --segment 语言学",
        )


def _manifest_of(folder: Path) -> Path:
    manifests.load(folder)
    return folder / manifests.MANIFEST_NAME


def _ranked(
    character: str, segment: str, vocabulary: Vocabulary, outside: OnlineOovVectors, params: SelectionParams
) -> tuple[Candidate, ...]:
    # One thread, as in the feature stages, so that the numbers are identical.
    with ThreadpoolController().limit(limits=1, user_api="blas"):
        chosen, cosines = CandidateSelector(vocabulary, outside, params).answer(Query(character, segment, None))
    ids = vocabulary.boundaries_of(character)
    if params.exclude_segment and segment in vocabulary:
        # The selector leaves the segment out, so its id is removed to keep ids and cosines aligned.
        ids = ids[ids != vocabulary[segment]]
    order = sorted(zip(ids.tolist(), cosines.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
    return tuple(
        Candidate(
            rank,
            # Boundary ids start at 1; 0 stands for no boundary.
            vocabulary.words[index - 1],
            cosine,
            best=index == chosen.best_id,
            in_set=index in chosen.set_ids,
            negative=index in chosen.negative_ids,
        )
        for rank, (index, cosine) in enumerate(order, start=1)
    )


def _embedded(segment: str, built: Manifest, made_with: EmbedParams, embed: Path, encoder: Path) -> FloatArray:
    """Compute the vector of a segment that is neither a word nor stored, as the embed stage does without context."""
    digest, expected = encoder_digest(encoder), EmbedStatistics.of(built).encoder_digest
    if digest != expected:
        raise StaleArtifactError(
            f"{encoder} is another encoder ({short_digest(digest)}) than {embed} was built with "
            f"({short_digest(expected)})",
            next_step="name the encoder of the features in params.yaml, or build the features again",
        )
    # Imports transformers, which segments that have a vector do not need.
    from ssmi.pipeline.frozen_encoder import FrozenEncoder

    states = FrozenEncoder(encoder, CharacterTokens(encoder_vocabulary(encoder))).states
    vector = isolated_vectors([segment], states)
    mapped = (
        open_alignment(embed / ALIGNMENT_FILE).apply(vector) if made_with.space == "aligned" else normalised(vector)
    )
    row: FloatArray = mapped[0]
    return row

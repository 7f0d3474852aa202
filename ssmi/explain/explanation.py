"""Why a character in a segment gets its boundaries: all candidates by cosine, as the paper's Figure 1 shows them."""

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
from ssmi.pipeline.contract.text.wording import counted, some
from ssmi.pipeline.features.alignment import isolated_vectors
from ssmi.pipeline.features.candidates import CandidateSelector, SelectionQuery
from ssmi.pipeline.features.text.tokens import CharacterTokens
from ssmi.pipeline.features.vocabulary import FloatArray, Vocabulary, normalised
from ssmi.pipeline.lexicon.alignment_file import ALIGNMENT_FILE, open_alignment
from ssmi.pipeline.lexicon.segment_vector_files import open_segment_vectors
from ssmi.pipeline.lexicon.vocabulary_files import open_vocabulary
from ssmi.pipeline.online.oov_vectors import OnlineOovVectors

Source = Literal["vocabulary", "stored", "encoder"]
"""Where a segment's vector comes from: it is a word; it lies with the features; the encoder made it just now."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A word that holds the character.

    Attributes:
        rank: From 1, by cosine; ties by boundary id.
        word: The word.
        cosine: From -1 to 1, with the segment.
        best: Whether it is the best boundary.
        in_set: Whether the boundary set holds it.
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
        """Whether the features use it at all."""
        return self.best or self.in_set or self.negative


@dataclass(frozen=True, slots=True)
class Explanation:
    """All candidates of a character in a segment, the nearest first.

    Attributes:
        character: The character.
        segment: The segment that it stands in.
        source: Where the segment's vector comes from.
        alone: The vector was made of the segment alone, where the features take it from whole sentences.
        params: How boundaries are chosen.
        candidates: Every word of the vocabulary that holds the character.

    """

    character: str
    segment: str
    source: Source
    alone: bool
    params: SelectionParams
    candidates: tuple[Candidate, ...]

    def __repr__(self) -> str:
        """What is explained, and the nearest words, in one line."""
        nearest = some([one.word for one in self.candidates])
        found = counted(len(self.candidates), "candidate")
        return f"<Explanation of {self.character} in {self.segment}: {found} ({nearest})>"

    @property
    def n_over_threshold(self) -> int:
        """Candidates that the boundary set may take."""
        return sum(one.cosine > self.params.threshold for one in self.candidates)

    @property
    def notes(self) -> list[str]:
        """What is not here as it is in the features, a sentence each."""
        notes = []
        if self.alone:
            notes.append("the vector is of the segment alone; the features take the mean over its sentences")
        if self.params.scope == "sentence":
            notes.append(
                "selection.scope is sentence: there, only words found over the character in the sentence count"
            )
        if self.params.choice == "random":
            notes.append("selection.choice is random: best and set are drawn, not the nearest")
        return notes

    def nearest(self, n: int) -> list[Candidate]:
        """The ``n`` nearest candidates and all that are chosen; all candidates for 0."""
        return [one for one in self.candidates if not n or one.rank <= n or one.chosen]

    def to_json(self, shown: Sequence[Candidate]) -> dict[str, Any]:
        """What ``ssmi-cli explain --json`` prints, with these of the candidates."""
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
    """Rank all words that hold ``character`` by their cosine with ``segment``, and choose as the features do.

    ``vocab`` and ``embed`` are built stage folders; ``find_encoder`` is asked only for a segment that is in neither.
    All of the vocabulary is looked at, whatever ``params.scope``: there is no sentence here.

    Raises ParameterError for a character that the segment does not hold, SsmiError where no word holds it, and
    MissingResourceError or StaleArtifactError for folders and an encoder that are not there or do not belong together.
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
    alone = source == "encoder" and made_with.context == "sentence"
    return Explanation(character, segment, source, alone, params, candidates)


def _check_question(character: str, segment: str) -> None:
    if len(character) != 1:
        raise ParameterError(f"{character!r}: not one character", next_step="ssmi-cli explain 言 --segment 语言学")
    if any(unicodedata.category(one) in ("Cc", "Cs") for one in segment):
        raise ParameterError(
            f"{segment!r}: holds control characters, or bytes that are not UTF-8", next_step="fix --segment"
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
    # One thread, as the features are computed: the very same figures.
    with ThreadpoolController().limit(limits=1, user_api="blas"):
        chosen, cosines = CandidateSelector(vocabulary, outside, params).answer(
            SelectionQuery(character, segment, None)
        )
    ids = vocabulary.boundaries_of(character)
    if params.exclude_segment and segment in vocabulary:
        # The selector leaves it out too: ids and cosines have to stay side by side.
        ids = ids[ids != vocabulary[segment]]
    order = sorted(zip(ids.tolist(), cosines.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
    return tuple(
        Candidate(
            rank,
            # Boundary ids begin at 1; 0 is none.
            vocabulary.words[index - 1],
            cosine,
            best=index == chosen.best_id,
            in_set=index in chosen.set_ids,
            negative=index in chosen.negative_ids,
        )
        for rank, (index, cosine) in enumerate(order, start=1)
    )


def _embedded(segment: str, built: Manifest, made_with: EmbedParams, embed: Path, encoder: Path) -> FloatArray:
    """The vector of a segment that is neither a word nor stored, as the embed stage makes it of a segment alone."""
    digest, expected = encoder_digest(encoder), EmbedStatistics.of(built).encoder_digest
    if digest != expected:
        raise StaleArtifactError(
            f"{encoder} is another encoder ({digest[:12]}) than {embed} was built with ({expected[:12]})",
            next_step="name the encoder of the features in params.yaml, or build the features again",
        )
    # Brings transformers, which a segment with a vector of its own does not need.
    from ssmi.pipeline.frozen_encoder import FrozenEncoder

    states = FrozenEncoder(encoder, CharacterTokens(encoder_vocabulary(encoder))).states
    vector = isolated_vectors([segment], states)
    mapped = (
        open_alignment(embed / ALIGNMENT_FILE).apply(vector) if made_with.space == "aligned" else normalised(vector)
    )
    row: FloatArray = mapped[0]
    return row

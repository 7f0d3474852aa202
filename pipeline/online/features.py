"""Rows of the shards for text that nobody has seen before. Segmenter, trie and candidates are the pipeline's own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from cachetools import LRUCache
from threadpoolctl import ThreadpoolController

from ssmi.pipeline.contract.encoder_types import encoder_shape
from ssmi.pipeline.contract.encoder_vocabulary import encoder_vocabulary
from ssmi.pipeline.contract.manifest import Manifest
from ssmi.pipeline.contract.turns import turn
from ssmi.pipeline.features.assemble import feature_row
from ssmi.pipeline.features.candidates import CandidateSelector, SelectionQuery, queries_of
from ssmi.pipeline.features.oov import SpanMeanAccumulator, isolated_vectors
from ssmi.pipeline.features.segmentation import segment_sentence
from ssmi.pipeline.features.tokens import CharacterTokens
from ssmi.pipeline.features.vocabulary import FloatArray, FloatMatrix, normalised
from ssmi.pipeline.lexicon.alignment import ALIGNMENT_FILE, open_alignment
from ssmi.pipeline.lexicon.pair_weights import PAIRS_FILE, read_weights
from ssmi.pipeline.lexicon.segment_vectors import open_segment_vectors
from ssmi.pipeline.lexicon.segmenter import open_segmenter
from ssmi.pipeline.lexicon.vocabulary import open_vocabulary
from ssmi.pipeline.online.feature_store import FeatureStore, check
from ssmi.pipeline.online.oov_vectors import OnlineOovVectors

if TYPE_CHECKING:
    from ssmi.pipeline.encoder import FrozenEncoder

Row = dict[str, Any]

SEGMENTS_AT_ONCE = 1024
SENTENCES_AT_ONCE = 32
LONGEST_REMEMBERED = 64
"""Code points: a longer segment (a base64 block, a line of one letter) hardly comes twice and would fill the memory."""

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Segmented:
    """A sentence cut into segments: what asks the vocabulary."""

    characters: Sequence[str]
    segments: Sequence[str]
    starts: Sequence[int]
    """Each segment's first character."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What the texts so far have cost."""

    characters: int = 0
    """Every one asks a query."""
    answered: int = 0
    """Questions that were computed; all others had been met before."""
    embedded: int = 0
    """Segments outside the vocabulary, and not stored with the data set, that BERT embedded."""
    encoder_calls: int = 0


class OnlineFeatures:
    """Text → the columns of ``schema.SHARDS`` that follow from the text alone, equal to the shards' to the last bit.

    Segments whose vectors lie with the features take those. Others are embedded: with ``embed.context: isolated``
    alone, exactly as off line; with ``sentence`` in the sentence at hand (the mean over their occurrences in it), where
    the stage takes the mean over the whole data set. So in sentence context rows equal those of shards for texts whose
    segments are stored or occur in that one sentence only, and the answers about segments that are not stored are not
    kept from one sentence to the next.

    What was answered or embedded once is remembered: ``max_pairs`` queries (about 1 KB each) and as many vectors.
    The encoder is opened when a segment first needs it. Threads that ask at once take turns (``contract.turns``).
    """

    def __init__(
        self,
        folders: FeatureStore,
        *,
        shards: Manifest,
        stored_segments: bool = True,
        max_pairs: int = 200_000,
    ) -> None:
        """``shards``: manifest of the shards that a tagger was trained on; the folders are those they came from.

        ``stored_segments=False`` embeds the data set's own segments anew too, for a proof that nothing differs.

        Raises MissingResourceError and StaleArtifactError as ``folders.check`` does.
        """
        recipe = check(folders, shards)
        segment = recipe.params.segment
        self.max_window = recipe.max_window
        self._hidden_layers = recipe.hidden_layers
        self._folders = folders
        self._embed = recipe.params.embed
        self._selection = recipe.params.selection
        self._vocabulary = open_vocabulary(folders.vocab, digest=recipe.vocabulary_digest)
        self._stored = open_segment_vectors(folders.embed, recipe.embed_digest)
        self._use_stored = stored_segments
        self._map = open_alignment(folders.embed / ALIGNMENT_FILE) if self._embed.space == "aligned" else None
        self._weights = read_weights(folders.pmi / PAIRS_FILE)
        self._tokens = CharacterTokens(encoder_vocabulary(folders.encoder))
        self._cut = open_segmenter(
            segment.engine, hmm=segment.hmm, user_dict=folders.user_dict, digest=recipe.user_dict_digest
        )
        self._blas = ThreadpoolController()
        self._answers: LRUCache[SelectionQuery, Row] = LRUCache(max_pairs)
        self._vectors: LRUCache[str, FloatArray] = LRUCache(max_pairs)
        self._counts = Counts()

    # --- rows ---------------------------------------------------------------------------------------------------------

    def rows(self, texts: Sequence[str]) -> list[Row]:
        """A row for each text, a character a code point; an empty text has an empty row with one window at 0.

        Keys: ``characters, token_ids, best_ids, best_cosines, set_ids, negative_ids, local_ids, segment_starts,
        window_starts``, as ``schema.SHARDS`` describes them. Nothing is stripped or normalised, so positions are those
        of the text. A lone surrogate, which no file of a data set can hold, counts as U+FFFD. Rows share the lists of
        equal answers: read them only.
        """
        return self.rows_of_characters([list(text) for text in texts])

    def rows_of_characters(self, sentences: Sequence[Sequence[str]]) -> list[Row]:
        """The same for sentences given as characters, one code point each."""
        return self.rows_of_segmented(self.segment(sentences))

    def segment(self, sentences: Sequence[Sequence[str]]) -> list[Segmented]:
        """The first half of ``rows``, for many sentences at once.

        With ``embed.context: isolated`` all segments that nobody has met go through the encoder together, and
        ``rows_of_segmented`` then needs none.
        """
        with self._one_thread():
            found = []
            for given in sentences:
                characters = _without_surrogates(given)
                found.append(Segmented(characters, *segment_sentence(characters, self._cut)))
            if self._embed.context == "isolated":
                self._embedded(
                    {segment for one in found for segment in one.segments if len(segment) <= LONGEST_REMEMBERED}
                )
            self._count(characters=sum(len(one.characters) for one in found))
        return found

    def rows_of_segmented(self, sentences: Sequence[Segmented]) -> list[Row]:
        """The second half of ``rows``, for any of those sentences."""
        with self._one_thread():
            return [
                feature_row(
                    characters=sentence.characters,
                    selections=chosen,
                    local_ids=self._weights.local_boundaries(
                        sentence.characters, self._vocabulary.trie.sentence_matches(sentence.characters)
                    ),
                    segment_starts=sentence.starts,
                    tokens=self._tokens,
                    max_window=self.max_window,
                )
                for sentence, chosen in zip(sentences, self._select(sentences), strict=True)
            ]

    def hidden_states(self, sentences: Sequence[Sequence[str]]) -> list[npt.NDArray[np.float16]]:
        """The frozen encoder's states, as ``part-*.hidden.npy`` holds them. Shape of each: (characters, width)."""
        found: list[npt.NDArray[np.float16]] = []
        with turn():
            for start in range(0, len(sentences), SENTENCES_AT_ONCE):
                batch = [_without_surrogates(characters) for characters in sentences[start : start + SENTENCES_AT_ONCE]]
                states = self._reader.states(batch, max_window=self.max_window)
                found += [own.astype(np.float16) for own in states]
        return found

    # --- boundaries ---------------------------------------------------------------------------------------------------

    @property
    def n_boundaries(self) -> int:
        """Words of the vocabulary; their ids are 1 to this."""
        return len(self._vocabulary)

    def boundary_vectors(self, ids: Sequence[int] | npt.NDArray[np.integer[Any]]) -> FloatMatrix:
        """The very vectors that ``boundaries.parquet`` holds, of any boundaries; zero for id 0. Shape: (ids, d)."""
        return np.array(self._vocabulary.vectors[np.asarray(ids, dtype=np.int64)])

    def words(self, ids: Iterable[int]) -> list[str]:
        """The words of boundaries; empty for id 0."""
        return [self._vocabulary.words[index - 1] if index else "" for index in ids]

    # --- the rest -----------------------------------------------------------------------------------------------------

    @cached_property
    def encoder(self) -> FrozenEncoder:
        """The encoder in its pre-trained state, opened when first asked for."""
        from ssmi.pipeline.encoder import FrozenEncoder

        return FrozenEncoder(self._folders.encoder, self._tokens, threads=_torch_threads())

    @cached_property
    def _reader(self) -> FrozenEncoder:
        """The part of the encoder whose states the network reads."""
        from ssmi.pipeline.encoder import FrozenEncoder

        if self._hidden_layers == encoder_shape(self._folders.encoder).n_layers:
            return self.encoder
        return FrozenEncoder(self._folders.encoder, self._tokens, layers=self._hidden_layers, threads=_torch_threads())

    def statistics(self) -> Counts:
        """What was computed since this was opened."""
        return self._counts

    def files(self) -> dict[str, Any]:
        """Every file that is read, by its name in a pack; see ``FeatureStore.packed``."""
        return self._folders.files()

    @contextmanager
    def _one_thread(self) -> Iterator[None]:
        """A turn in which sums of floats do not depend on the number of cores; the same sums are taken off line."""
        with turn(), self._blas.limit(limits=1, user_api="blas"):
            yield

    def _select(self, sentences: Sequence[Segmented]) -> list[list[Row]]:
        """The selection of each character of each sentence."""
        asked = [
            queries_of(
                one.characters, one.segments, one.starts, vocabulary=self._vocabulary, scope=self._selection.scope
            )
            for one in sentences
        ]
        if self._embed.context == "sentence":
            return self._select_in_sentences(sentences, asked)
        answers = self._answered(set(chain.from_iterable(asked)))
        return [[answers[query] for query in queries] for queries in asked]

    def _answered(self, queries: set[SelectionQuery]) -> dict[SelectionQuery, Row]:
        """Answers that are good for any sentence, remembered or new."""
        answers: dict[SelectionQuery, Row] = {}
        new: list[SelectionQuery] = []
        for query in queries:
            known = self._answers.get(query)
            if known is None:
                new.append(query)
            else:
                answers[query] = known
        found = self._compute(new, self._embedded({segment for _, segment, _ in new}))
        for query, answer in found.items():
            if len(query[1]) <= LONGEST_REMEMBERED:
                self._answers[query] = answer
        return answers | found

    def _compute(self, queries: Iterable[SelectionQuery], fresh: Mapping[str, FloatArray]) -> dict[SelectionQuery, Row]:
        selector = CandidateSelector(self._vocabulary, OnlineOovVectors(fresh, self._stored), self._selection)
        answers: dict[SelectionQuery, Row] = {}
        # Those of one character stand together and share its candidates' vectors.
        for query in sorted(queries, key=lambda query: (query[0], query[1], query[2] or ())):
            found, _ = selector.answer(query)
            answers[query] = {
                "best_id": found.best_id,
                "best_cosine": found.best_cosine,
                "set_ids": list(found.set_ids),
                "negative_ids": list(found.negative_ids),
            }
        self._count(answered=len(answers))
        return answers

    def _is_new(self, segment: str) -> bool:
        """Whether a segment lies outside the vocabulary and has no stored vector."""
        return segment not in self._vocabulary and not (self._use_stored and segment in self._stored)

    def _embedded(self, segments: Iterable[str]) -> dict[str, FloatArray]:
        """Vectors of the new ones among segments, each embedded alone; all at once, not one by one."""
        vectors: dict[str, FloatArray] = {}
        unmet: list[str] = []
        for segment in segments:
            if self._is_new(segment):
                known = self._vectors.get(segment)
                if known is None:
                    unmet.append(segment)
                else:
                    vectors[segment] = known
        unmet.sort(key=lambda segment: (len(segment), segment))
        for start in range(0, len(unmet), SEGMENTS_AT_ONCE):
            batch = unmet[start : start + SEGMENTS_AT_ONCE]
            found = self._in_space(isolated_vectors(batch, self.encoder.states))
            self._count(embedded=len(batch), encoder_calls=1)
            for segment, vector in zip(batch, found, strict=True):
                vectors[segment] = vector
                if len(segment) <= LONGEST_REMEMBERED:
                    self._vectors[segment] = vector
        return vectors

    def _select_in_sentences(
        self, sentences: Sequence[Segmented], asked: Sequence[list[SelectionQuery]]
    ) -> list[list[Row]]:
        """With ``embed.context: sentence``: answers about new segments are each sentence's own."""
        new = [list(dict.fromkeys(filter(self._is_new, one.segments))) for one in sentences]
        known = {query for queries, own in zip(asked, new, strict=True) for query in queries if query[1] not in own}
        shared = self._answered(known)
        private: list[dict[SelectionQuery, Row]] = [{} for _ in sentences]
        with_new = [index for index, own in enumerate(new) if own]
        for start in range(0, len(with_new), SENTENCES_AT_ONCE):
            batch = with_new[start : start + SENTENCES_AT_ONCE]
            states = self.encoder.states([sentences[index].characters for index in batch])
            self._count(encoder_calls=1)
            for index, own_states in zip(batch, states, strict=True):
                vectors = self._in_sentence(new[index], own_states, sentences[index])
                private[index] = self._compute({q for q in asked[index] if q[1] in vectors}, vectors)
        return [
            [own.get(query) or shared[query] for query in queries] for queries, own in zip(asked, private, strict=True)
        ]

    def _in_sentence(self, segments: Sequence[str], states: FloatMatrix, sentence: Segmented) -> dict[str, FloatArray]:
        """Vectors of segments from their occurrences in one sentence."""
        occurrences = SpanMeanAccumulator({segment: index for index, segment in enumerate(segments)})
        occurrences.add(states, segments=sentence.segments, starts=sentence.starts)
        means = [occurrences.sums[index] / occurrences.counts[index] for index in range(len(segments))]
        self._count(embedded=len(segments))
        return dict(zip(segments, self._in_space(np.stack(means).astype(np.float32)), strict=True))

    def _in_space(self, states: FloatMatrix) -> FloatMatrix:
        """BERT's vectors in the space that segments outside the vocabulary are compared in."""
        return normalised(states) if self._map is None else self._map.apply(states)

    def _count(self, **more: int) -> None:
        self._counts = replace(self._counts, **{name: getattr(self._counts, name) + n for name, n in more.items()})


def _torch_threads() -> int:
    """What torch may use; asked when the encoder is opened, which loads torch anyway."""
    import torch

    return torch.get_num_threads()


def _without_surrogates(characters: Sequence[str]) -> Sequence[str]:
    """Neither the trie nor a tokenizer nor a table takes a lone surrogate; U+FFFD is as long and means as little."""
    if not _SURROGATE.search("".join(characters)):
        return characters
    return [_SURROGATE.sub("\ufffd", character) for character in characters]

"""Feature rows of new text, made by the functions that make the shards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

from ssmi.pipeline.contract.encoders.vocabulary import encoder_vocabulary
from ssmi.pipeline.contract.manifest import Manifest
from ssmi.pipeline.contract.parquet.feature_rows import EncoderStates, FeatureRow, SelectedBoundaries
from ssmi.pipeline.contract.project.process_lock import process_lock
from ssmi.pipeline.features.assemble import feature_row
from ssmi.pipeline.features.columns import SentenceColumns
from ssmi.pipeline.features.text.tokens import CharacterTokens
from ssmi.pipeline.features.vocabulary import FloatMatrix
from ssmi.pipeline.lexicon.alignment_file import ALIGNMENT_FILE, open_alignment
from ssmi.pipeline.lexicon.pair_weights_file import PAIRS_FILE, read_weights
from ssmi.pipeline.lexicon.segment_vector_files import open_segment_vectors
from ssmi.pipeline.lexicon.segmenter import open_segmenter
from ssmi.pipeline.lexicon.vocabulary_files import open_vocabulary
from ssmi.pipeline.online.costs import CostCounter, WorkCounts
from ssmi.pipeline.online.embedding import LONGEST_REMEMBERED, SegmentEmbedder
from ssmi.pipeline.online.encoders import OnlineEncoders
from ssmi.pipeline.online.feature_store import FeatureSpec, FeatureStore, check_feature_store
from ssmi.pipeline.online.segmenting import Segmented, segment_characters, without_surrogates
from ssmi.pipeline.online.selections import CachedSelector


class OnlineFeatures:
    """Computes the columns of ``schema.SHARDS`` that follow from the text alone, equal to the shards' to the last bit.

    Segments with a stored vector use it; others are embedded. With ``embed.context: isolated`` they are embedded
    without context, exactly as offline. With ``sentence`` they are embedded in the sentence at hand (the mean over
    their occurrences in it), whereas the stage takes the mean over the whole data set. In sentence context, therefore,
    rows equal the shards' only for texts whose segments are stored or occur in a single sentence, and selections for
    new segments are not cached across sentences.

    Selections and vectors are cached. The encoder is opened when a segment first needs it. Threads take turns
    (``contract.project.process_lock``).
    """

    def __init__(
        self, store: FeatureStore, *, shards: Manifest, stored_segments: bool = True, max_pairs: int = 200_000
    ) -> None:
        """Open the files of the features.

        Args:
            store: The folders that the shards were built from.
            shards: The manifest of the shards that a tagger was trained on.
            stored_segments: Whether to use the stored vectors of the data set's segments; False embeds them again, to
                verify that nothing differs.
            max_pairs: The maximum number of cached selections (about 1 KB each), and of cached vectors.

        Raises:
            MissingResourceError: A folder or file does not exist.
            StaleArtifactError: A folder is of another build, or a file differs from its manifest.
        """
        spec = check_feature_store(store, shards)
        segment = spec.params.segment
        self.max_window = spec.max_window
        self._store = store
        self._keeps_matches = spec.matches
        self._in_context = spec.params.embed.context == "sentence"
        self._vocabulary = open_vocabulary(store.vocab, digest=spec.vocabulary_digest)
        self._weights = read_weights(store.pmi / PAIRS_FILE)
        self._tokens = CharacterTokens(encoder_vocabulary(store.encoder))
        self._cut = open_segmenter(
            segment.engine, hmm=segment.hmm, user_dict=store.user_dict, digest=spec.user_dict_digest
        )
        # Made once, because it searches the libraries of the process, which takes time.
        self._blas = ThreadpoolController()
        self._costs = CostCounter()
        self._encoders = OnlineEncoders(
            store.encoder,
            self._tokens,
            hidden_layers=spec.hidden_layers,
            hidden_norm=spec.hidden_norm,
            max_window=spec.max_window,
        )
        self._embedder, self._selector = self._open_selection(
            spec, stored_segments=stored_segments, max_pairs=max_pairs
        )

    def _open_selection(
        self, spec: FeatureSpec, *, stored_segments: bool, max_pairs: int
    ) -> tuple[SegmentEmbedder, CachedSelector]:
        stored = open_segment_vectors(self._store.embed, spec.embed_digest)
        aligned = spec.params.embed.space == "aligned"
        embedder = SegmentEmbedder(
            self._encoders,
            self._vocabulary,
            stored if stored_segments else None,
            open_alignment(self._store.embed / ALIGNMENT_FILE) if aligned else None,
            costs=self._costs,
            max_vectors=max_pairs,
        )
        selector = CachedSelector(
            self._vocabulary, stored, embedder, spec.params.selection, costs=self._costs, max_selections=max_pairs
        )
        return embedder, selector

    def rows(self, texts: Sequence[str]) -> list[FeatureRow]:
        """Make a row for each text; a character is a code point.

        Nothing is stripped or normalised, so positions refer to the text as given. A lone surrogate counts as U+FFFD.

        Returns:
            One row per text; the row of an empty text is empty, with one window at 0. Rows share the lists of equal
            selections and must not be modified.
        """
        return self.rows_of_characters([list(text) for text in texts])

    def rows_of_characters(self, sentences: Sequence[Sequence[str]]) -> list[FeatureRow]:
        """Make a row for each sentence given as characters, one code point each; see ``rows``."""
        return self.rows_of_segmented(self.segment(sentences))

    def segment(self, sentences: Sequence[Sequence[str]]) -> list[Segmented]:
        """Segment many sentences at once: the first half of ``rows``.

        With ``embed.context: isolated``, this encodes the new segments of up to ``LONGEST_REMEMBERED`` characters
        together and caches their vectors, so that ``rows_of_segmented`` needs no encoder for them.
        """
        with self._one_thread():
            segmented = [segment_characters(characters, self._cut) for characters in sentences]
            if not self._in_context:
                self._embedder.embed_alone(
                    {segment for one in segmented for segment in one.segments if len(segment) <= LONGEST_REMEMBERED}
                )
            self._costs.add(characters=sum(len(one.characters) for one in segmented))
        return segmented

    def rows_of_segmented(self, sentences: Sequence[Segmented]) -> list[FeatureRow]:
        """Make the rows of segmented sentences: the second half of ``rows``."""
        select = self._selector.select_in_context if self._in_context else self._selector.select
        with self._one_thread():
            return list(self._rows(sentences, select(sentences)))

    def _rows(
        self, sentences: Sequence[Segmented], selections: Sequence[Sequence[SelectedBoundaries]]
    ) -> Iterator[FeatureRow]:
        together = SentenceColumns.of(one.characters for one in sentences)
        matches = self._vocabulary.trie.columns(together)
        local_ids = self._weights.local_boundaries(together, matches).tolist()
        within = matches.within(together)
        stretches = zip(pairwise(together.offsets.tolist()), pairwise(matches.offsets(together).tolist()), strict=True)
        for sentence, selected, (characters, of_matches) in zip(sentences, selections, stretches, strict=True):
            yield feature_row(
                characters=sentence.characters,
                selections=selected,
                local_ids=local_ids[slice(*characters)],
                segment_starts=sentence.starts,
                tokens=self._tokens,
                max_window=self.max_window,
                matches=within.between(*of_matches) if self._keeps_matches else None,
            )

    def hidden_states(self, sentences: Sequence[Sequence[str]]) -> list[EncoderStates]:
        """Return the frozen encoder's states of each sentence in the form that the shards store."""
        with process_lock():
            return self._encoders.hidden_states([without_surrogates(characters) for characters in sentences])

    @property
    def n_boundaries(self) -> int:
        """Number of words of the vocabulary; their ids are 1 to ``n_boundaries``."""
        return len(self._vocabulary)

    def boundary_vectors(self, ids: Sequence[int] | npt.NDArray[np.integer[Any]]) -> FloatMatrix:
        """Return the vectors of boundaries, as in ``boundaries.parquet``; zero for id 0. Shape: (ids, d)."""
        return np.array(self._vocabulary.vectors[np.asarray(ids, dtype=np.int64)])

    def words(self, ids: Iterable[int]) -> list[str]:
        """Return the words of boundaries; empty for id 0."""
        return [self._vocabulary.words[index - 1] if index else "" for index in ids]

    def statistics(self) -> WorkCounts:
        """Return the counts of the work done since the features were opened."""
        return self._costs.counts

    def files(self) -> dict[str, Path]:
        """Return every file that is read, by its name in a pack; see ``FeatureStore.packed``."""
        return self._store.files()

    @contextmanager
    def _one_thread(self) -> Iterator[None]:
        """Hold the lock with one BLAS thread, as offline, so that float sums do not depend on the number of cores."""
        with process_lock(), self._blas.limit(limits=1, user_api="blas"):
            yield

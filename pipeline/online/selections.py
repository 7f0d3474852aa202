"""The selection of each character of segmented sentences; equal queries are computed once and cached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, groupby

from cachetools import LRUCache

from ssmi.pipeline.contract.parameters.params import SelectionParams
from ssmi.pipeline.contract.parquet.feature_rows import SelectedBoundaries
from ssmi.pipeline.features.candidates import CandidateSelector, Query, QueryGroup, queries_of
from ssmi.pipeline.features.segment_vectors import SegmentVectors
from ssmi.pipeline.features.vocabulary import FloatArray, Vocabulary
from ssmi.pipeline.online.costs import CostCounter
from ssmi.pipeline.online.embedding import LONGEST_REMEMBERED, SegmentEmbedder
from ssmi.pipeline.online.oov_vectors import OnlineOovVectors
from ssmi.pipeline.online.segmenting import Segmented


class CachedSelector:
    """Selects boundaries for each character, from the cache if possible."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        stored: SegmentVectors,
        embedder: SegmentEmbedder,
        params: SelectionParams,
        *,
        costs: CostCounter,
        max_selections: int,
    ) -> None:
        """Create an empty cache of at most ``max_selections`` selections (about 1 KB each)."""
        self._vocabulary = vocabulary
        self._stored = stored
        self._embedder = embedder
        self._params = params
        self._costs = costs
        self._remembered: LRUCache[Query, SelectedBoundaries] = LRUCache(max_selections)

    def select(self, sentences: Sequence[Segmented]) -> list[list[SelectedBoundaries]]:
        """Return one selection per character of each sentence; every new segment is embedded alone."""
        queries = self._queries(sentences)
        selections = self._select(set(chain.from_iterable(queries)))
        return [[selections[query] for query in in_sentence] for in_sentence in queries]

    def select_in_context(self, sentences: Sequence[Segmented]) -> list[list[SelectedBoundaries]]:
        """Return one selection per character; new segments are embedded in context.

        Selections for a new segment hold only for its sentence and are not cached.
        """
        queries = self._queries(sentences)
        new = [list(dict.fromkeys(filter(self._embedder.is_new, one.segments))) for one in sentences]
        shared = self._select(
            {
                query
                for in_sentence, segments in zip(queries, new, strict=True)
                for query in in_sentence
                if query.segment not in segments
            }
        )
        in_context: list[dict[Query, SelectedBoundaries]] = [{} for _ in sentences]
        with_new = [index for index, segments in enumerate(new) if segments]
        embedded = self._embedder.embed_in_sentences(
            [sentences[index] for index in with_new], [new[index] for index in with_new]
        )
        for index, vectors in zip(with_new, embedded, strict=True):
            in_context[index] = self._compute({query for query in queries[index] if query.segment in vectors}, vectors)
        return [
            [own.get(query) or shared[query] for query in in_sentence]
            for in_sentence, own in zip(queries, in_context, strict=True)
        ]

    def _queries(self, sentences: Sequence[Segmented]) -> list[list[Query]]:
        return [
            queries_of(one.characters, one.segments, one.starts, vocabulary=self._vocabulary, scope=self._params.scope)
            for one in sentences
        ]

    def _select(self, queries: set[Query]) -> dict[Query, SelectedBoundaries]:
        """Return selections that hold for any sentence, cached or computed."""
        selections: dict[Query, SelectedBoundaries] = {}
        missing: list[Query] = []
        for query in queries:
            remembered = self._remembered.get(query)
            if remembered is None:
                missing.append(query)
            else:
                selections[query] = remembered
        computed = self._compute(missing, self._embedder.embed_alone({query.segment for query in missing}))
        for query, selection in computed.items():
            if len(query.segment) <= LONGEST_REMEMBERED:
                self._remembered[query] = selection
        # Not read back from the cache, which may hold fewer selections than one call needs.
        return selections | computed

    def _compute(self, queries: Iterable[Query], fresh: Mapping[str, FloatArray]) -> dict[Query, SelectedBoundaries]:
        selector = CandidateSelector(self._vocabulary, OnlineOovVectors(fresh, self._stored), self._params)
        selections: dict[Query, SelectedBoundaries] = {}
        # Queries of one character are adjacent, so they share its candidates' vectors.
        in_order = sorted(queries, key=lambda query: query.order)
        groups = (
            QueryGroup(character, [query.segment for query in some], candidates)
            for (character, candidates), some in groupby(in_order, lambda query: (query.character, query.candidates))
        )
        chosen = chain.from_iterable(columns.selections() for columns, _ in selector.answers(groups))
        for query, selection in zip(in_order, chosen, strict=True):
            selections[query] = {
                "best_id": selection.best_id,
                "best_cosine": selection.best_cosine,
                "set_ids": list(selection.set_ids),
                "negative_ids": list(selection.negative_ids),
            }
        self._costs.add(answered=len(selections))
        return selections

"""Segments → vectors: the vocabulary's vector if it has the word, else BERT's (paper: E(s_i))."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import SsmiError
from ssmi.pipeline.contract.manifest import StageReport
from ssmi.pipeline.contract.parquet import schema
from ssmi.pipeline.contract.parquet.statistics import AlignmentFit, EmbedStatistics, VocabStatistics
from ssmi.pipeline.contract.storage import replacing
from ssmi.pipeline.executor import run_single_threaded
from ssmi.pipeline.features.alignment import MIN_WORDS_TO_FIT, fit_alignment
from ssmi.pipeline.features.vocabulary import Vocabulary, normalised
from ssmi.pipeline.lexicon.alignment_file import ALIGNMENT_FILE, open_alignment, save_alignment
from ssmi.pipeline.lexicon.segment_vector_files import (
    BERT_BOUNDARIES_FILE,
    BERT_SEGMENTS_FILE,
    SEGMENTS_FILE,
    VECTORS_FILE,
)
from ssmi.pipeline.lexicon.vocabulary_files import open_vocabulary
from ssmi.pipeline.stages.corpora.fitted import reference_folder, reference_inputs
from ssmi.pipeline.stages.embedding.counts import DistinctSegments, check_characters, distinct_segments
from ssmi.pipeline.stages.embedding.sentences import encode_in_sentences
from ssmi.pipeline.stages.running.encoding import (
    WordVectors,
    alignment_fit,
    encode_words_to_files,
    encoder_inputs,
    encoder_of,
    vectors_of_rows,
    words_table,
)
from ssmi.pipeline.stages.running.stage import Corpus, Stage, StageContext, require_train, splits_in

FloatMatrix = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


def external_inputs(context: StageContext) -> Mapping[str, str]:
    """The encoder; for a corpus, also the map fitted on its data set."""
    return {**encoder_inputs(context), **reference_inputs(context, "embed")}


def work(context: StageContext, folder: Path) -> StageReport:
    """Give every distinct segment a vector, and report how well the map between the two spaces fits."""
    params = context.params.embed
    if context.corpus is None:
        require_train(context.dataset, splits_in(context.folder("segment")))
    vocabulary = open_vocabulary(context.folder("vocab"), digest=context.digest("vocab"))
    # In sentence context a word has no vector apart from a sentence, so none can be precomputed.
    n_precomputed = params.precompute_words if params.context == "isolated" and context.corpus is None else 0
    distinct = distinct_segments(context, vocabulary, folder / SEGMENTS_FILE, n_precomputed=n_precomputed)
    check_characters(distinct, encoder_of(context), context)
    fit_quality = None
    if params.space == "aligned" and context.corpus is not None:
        _write_mapped(context, context.corpus, folder, distinct, vocabulary)
    elif params.space == "aligned":
        fit_quality = _write_aligned(context, folder, distinct, vocabulary)
    else:
        _write_bert(context, folder, distinct, vocabulary)
    statistics = EmbedStatistics(
        distinct_segments=distinct.n - distinct.n_precomputed,
        oov_segments=distinct.n_outside,
        precomputed_segments=distinct.n_precomputed,
        encoder_digest=encoder_of(context).digest,
        alignment=fit_quality,
    )
    return StageReport(rows_in=distinct.n, rows_out=distinct.n, statistics=statistics.to_json())


def _write_aligned(
    context: StageContext, folder: Path, distinct: DistinctSegments, vocabulary: Vocabulary
) -> AlignmentFit:
    """Fit the map from BERT's space to the vocabulary's, and write it with all segments' vectors in that space."""
    params = context.params.embed
    fit_on = _fit_words(distinct, vocabulary, context)
    bert = _bert_vectors(chain(distinct.outside(), [words_table(fit_on, first_row=distinct.n)]), context)
    fit = partial(fit_alignment, vectors_of_rows(bert, distinct.n, len(fit_on)), ridge=params.ridge, seed=params.seed)
    targets = vocabulary.vectors[[vocabulary[word] for word in fit_on]]
    alignment = run_single_threaded(fit, targets)
    with _writing_vectors(folder / VECTORS_FILE, distinct, vocabulary) as vectors:
        for rows, states in _of_segments(bert, distinct):
            vectors[rows] = run_single_threaded(alignment.apply, states)
    save_alignment(alignment, folder / ALIGNMENT_FILE)
    return alignment_fit(alignment)


def _write_mapped(
    context: StageContext, corpus: Corpus, folder: Path, distinct: DistinctSegments, vocabulary: Vocabulary
) -> None:
    """Write the vectors of all segments of a corpus, using the map fitted on its data set."""
    alignment = open_alignment(reference_folder(context, corpus, "embed") / ALIGNMENT_FILE)
    bert = _bert_vectors(distinct.outside(), context)
    with _writing_vectors(folder / VECTORS_FILE, distinct, vocabulary) as vectors:
        for rows, states in bert.chunks():
            vectors[rows] = run_single_threaded(alignment.apply, states)


def _write_bert(context: StageContext, folder: Path, distinct: DistinctSegments, vocabulary: Vocabulary) -> None:
    """Write unit BERT vectors of segments outside the vocabulary and of all boundaries; row 0, no boundary, is zero."""
    bert = _bert_vectors(distinct.outside(), context)
    shape = (distinct.n, encoder_of(context).shape.width)
    with _writing(folder / BERT_SEGMENTS_FILE, shape) as vectors:
        for rows, states in bert.chunks():
            vectors[rows] = normalised(states)
    words = words_table(list(vocabulary.words), first_row=1)
    boundaries = encode_words_to_files([words], context, label="embed boundaries")
    with _writing(folder / BERT_BOUNDARIES_FILE, (len(vocabulary) + 1, shape[1])) as vectors:
        for rows, states in boundaries.chunks():
            vectors[rows] = normalised(states)
    with _writing_vectors(folder / VECTORS_FILE, distinct, vocabulary):
        pass  # segments outside the vocabulary have no vector in its space


def _bert_vectors(words: Iterable[pa.Table], context: StageContext) -> WordVectors:
    if context.params.embed.context == "isolated":
        return encode_words_to_files(words, context, label="embed")
    return encode_in_sentences(words, context)


def _of_segments(bert: WordVectors, distinct: DistinctSegments) -> Iterator[tuple[IntArray, FloatMatrix]]:
    """Yield the chunks without the words to fit on, whose rows follow those of all segments."""
    for rows, states in bert.chunks():
        segments = rows < distinct.n
        yield rows[segments], states[segments]


@contextmanager
def _writing_vectors(path: Path, distinct: DistinctSegments, vocabulary: Vocabulary) -> Iterator[FloatMatrix]:
    """Open an array on disk that holds the vocabulary's vectors, and zeros to be filled in for other segments."""
    with _writing(path, (distinct.n, vocabulary.vectors.shape[1])) as vectors:
        for table in distinct.read("segment_id", "boundary_id"):
            vectors[table["segment_id"].to_numpy()] = vocabulary.vectors[table["boundary_id"].to_numpy()]
        yield vectors


@contextmanager
def _writing(path: Path, shape: tuple[int, int]) -> Iterator[FloatMatrix]:
    """Open a new array of zeros on disk to be filled; the file gets its name once it is complete."""
    with replacing.writing(path) as temporary:
        # Filled on disk: the vectors of all segments need not fit in memory.
        vectors = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=shape)
        replacing.reserve(temporary)
        yield vectors
        vectors.flush()


def _fit_words(distinct: DistinctSegments, vocabulary: Vocabulary, context: StageContext) -> list[str]:
    """Choose words of the vocabulary to fit the map on: train's most frequent segments, then others in its order.

    In sentence context only words that occur in train can be embedded, so no others are chosen.
    """
    params = context.params.embed
    n_listed = len(vocabulary) - _n_extra_words(context)
    fitting = (pc.field("n_train") > 0) & (pc.field("boundary_id") >= 1) & (pc.field("boundary_id") <= n_listed)
    # At most as many rows as the vocabulary has words.
    fitting_rows = [table.filter(fitting) for table in distinct.read(*schema.DISTINCT_SEGMENTS.names)]
    by_count = pa.concat_tables([schema.DISTINCT_SEGMENTS.empty_table(), *fitting_rows])
    # Ties are broken by boundary id, so that the order depends on nothing else.
    by_count = by_count.sort_by([("n_train", "descending"), ("boundary_id", "ascending")])
    seen: list[str] = by_count["segment"].to_pylist()
    if params.context == "isolated":
        known = set(seen)
        # Enough that fit_words remain even if every word of train is among them.
        n_words = min(params.fit_words + len(seen), n_listed)
        seen += [word for word in vocabulary.words[:n_words] if word not in known]
    words = seen[: params.fit_words]
    if len(words) < MIN_WORDS_TO_FIT:
        raise SsmiError(
            f"embed: words in both the vocabulary and train: {len(words)}; a map needs {MIN_WORDS_TO_FIT}",
            next_step="use -S embed.context=isolated, or vectors that cover the text",
        )
    return words


def _n_extra_words(context: StageContext) -> int:
    """Count the words at the vocabulary's end whose vectors were mapped from BERT's; the map is not fitted on them."""
    extra = VocabStatistics.of(manifests.load(context.folder("vocab"))).extra_words
    return 0 if extra is None else extra.added


STAGE = Stage(
    name="embed",
    version=3,
    sections=("encoder", "embed"),
    upstream=("vocab", "segment", "prepare"),
    external_inputs=external_inputs,
    work=work,
)

"""Segments → vectors: the vocabulary's where it has the word, else BERT's (paper: E(s_i))."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import SsmiError
from ssmi.pipeline.contract.manifest import StageReport
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.parquet.statistics import AlignmentFit, EmbedStatistics, VocabStatistics
from ssmi.pipeline.contract.storage import replacing
from ssmi.pipeline.executor import run_single_threaded
from ssmi.pipeline.features.alignment import fit_alignment
from ssmi.pipeline.features.vocabulary import Vocabulary, normalised
from ssmi.pipeline.lexicon.alignment_file import ALIGNMENT_FILE, open_alignment, save_alignment
from ssmi.pipeline.lexicon.segment_vector_files import (
    BERT_BOUNDARIES_FILE,
    BERT_SEGMENTS_FILE,
    SEGMENTS_FILE,
    VECTORS_FILE,
)
from ssmi.pipeline.lexicon.vocabulary_files import open_vocabulary
from ssmi.pipeline.stages.corpora.fitted import like_folder, like_inputs
from ssmi.pipeline.stages.embedding.counts import check_characters, distinct_segments, precomputed_segments
from ssmi.pipeline.stages.embedding.sentences import WordMeans, encode_in_sentences
from ssmi.pipeline.stages.encoding import (
    EncodedWords,
    alignment_fit,
    encode_words_to_files,
    encoder_inputs,
    encoder_of,
)
from ssmi.pipeline.stages.stage import Corpus, Stage, StageContext, require_train, splits_in

FloatMatrix = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

ROWS_AT_ONCE = 65_536
FEWEST_FIT_WORDS = 20


def external_inputs(context: StageContext) -> Mapping[str, str]:
    """The encoder; of a corpus also the map that its data set has fitted."""
    return {**encoder_inputs(context), **like_inputs(context, "embed")}


def work(context: StageContext, folder: Path) -> StageReport:
    """Give every distinct segment a vector and say how good the bridge between the two spaces is."""
    params = context.params.embed
    if context.corpus is None:
        require_train(context.dataset, splits_in(context.folder("segment")))
    vocabulary = open_vocabulary(context.folder("vocab"), digest=context.digest("vocab"))
    rows = distinct_segments(context, vocabulary)
    check_characters(rows, encoder_of(context), context)
    n_in_dataset, n_outside = len(rows), len(_outside(rows))
    if params.context == "isolated" and context.corpus is None:
        # In sentence context a word has no vector apart from a sentence, so none can be made ahead.
        rows = rows.vstack(precomputed_segments(params.precompute_words, vocabulary, in_dataset=rows))
    tables.write_table(folder / SEGMENTS_FILE, schema.DISTINCT_SEGMENTS, rows.to_arrow().cast(schema.DISTINCT_SEGMENTS))
    fit_quality = None
    if params.space == "aligned" and context.corpus is not None:
        _write_mapped(context, context.corpus, folder, rows, vocabulary)
    elif params.space == "aligned":
        fit_quality = _write_aligned(context, folder, rows, vocabulary)
    else:
        _write_bert(context, folder, rows, vocabulary)
    statistics = EmbedStatistics(
        distinct_segments=n_in_dataset,
        oov_segments=n_outside,
        precomputed_segments=len(rows) - n_in_dataset,
        encoder_digest=encoder_of(context).digest,
        alignment=fit_quality,
    )
    return StageReport(rows_in=len(rows), rows_out=len(rows), statistics=statistics.to_json())


def _write_aligned(context: StageContext, folder: Path, rows: pl.DataFrame, vocabulary: Vocabulary) -> AlignmentFit:
    """Fit the map to the vocabulary's space, and write it with the vectors of all segments there."""
    params = context.params.embed
    outside = _outside(rows)
    fit_on = _fit_words(rows, vocabulary, context)
    bert = _bert_vectors([*outside["segment"], *fit_on], context)
    fit = partial(fit_alignment, bert.rows(len(outside)), ridge=params.ridge, seed=params.seed)
    targets = vocabulary.vectors[[vocabulary[word] for word in fit_on]]
    alignment = run_single_threaded(fit, targets)
    with _writing_vectors(folder / VECTORS_FILE, rows, vocabulary) as vectors:
        for places, states in _outside_chunks(bert, outside):
            vectors[places] = run_single_threaded(alignment.apply, states)
    save_alignment(alignment, folder / ALIGNMENT_FILE)
    return alignment_fit(alignment)


def _write_mapped(
    context: StageContext, corpus: Corpus, folder: Path, rows: pl.DataFrame, vocabulary: Vocabulary
) -> None:
    """Write the vectors of all segments of a corpus, with the map that its data set has fitted."""
    outside = _outside(rows)
    alignment = open_alignment(like_folder(context, corpus, "embed") / ALIGNMENT_FILE)
    bert = _bert_vectors(outside["segment"].to_list(), context)
    with _writing_vectors(folder / VECTORS_FILE, rows, vocabulary) as vectors:
        for places, states in _outside_chunks(bert, outside):
            vectors[places] = run_single_threaded(alignment.apply, states)


def _write_bert(context: StageContext, folder: Path, rows: pl.DataFrame, vocabulary: Vocabulary) -> None:
    """Write unit BERT vectors of segments outside the vocabulary and of all boundaries; row 0, none, is zero."""
    outside = _outside(rows)
    bert = _bert_vectors(outside["segment"].to_list(), context)
    shape = (len(rows), encoder_of(context).shape.width)
    with _writing(folder / BERT_SEGMENTS_FILE, shape) as vectors:
        for places, states in _outside_chunks(bert, outside):
            vectors[places] = normalised(states)
    boundaries = encode_words_to_files(list(vocabulary.words), context, label="embed boundaries")
    with _writing(folder / BERT_BOUNDARIES_FILE, (len(vocabulary) + 1, shape[1])) as vectors:
        for places, states in boundaries.chunks():
            vectors[places + 1] = normalised(states)
    with _writing_vectors(folder / VECTORS_FILE, rows, vocabulary):
        pass  # those outside the vocabulary have none in its space


def _outside(rows: pl.DataFrame) -> pl.DataFrame:
    """The segments that the vocabulary does not have."""
    return rows.filter(boundary_id=0).select("segment_id", "segment")


def _bert_vectors(words: Sequence[str], context: StageContext) -> EncodedWords | WordMeans:
    if context.params.embed.context == "isolated":
        return encode_words_to_files(words, context, label="embed")
    return encode_in_sentences(words, context)


def _outside_chunks(bert: EncodedWords | WordMeans, outside: pl.DataFrame) -> Iterator[tuple[IntArray, FloatMatrix]]:
    """The segments' ids and BERT vectors, of those chunks' words that are no words to fit on, which come last."""
    ids = outside["segment_id"].to_numpy()
    for rows, states in bert.chunks():
        segments = rows < len(ids)
        yield ids[rows[segments]], states[segments]


@contextmanager
def _writing_vectors(path: Path, rows: pl.DataFrame, vocabulary: Vocabulary) -> Iterator[FloatMatrix]:
    """An array on disk of the vocabulary's vectors, zero for segments that it does not have, to be filled."""
    boundary_ids = rows["boundary_id"].to_numpy()
    with _writing(path, (len(rows), vocabulary.vectors.shape[1])) as vectors:
        for start in range(0, len(rows), ROWS_AT_ONCE):
            vectors[start : start + ROWS_AT_ONCE] = vocabulary.vectors[boundary_ids[start : start + ROWS_AT_ONCE]]
        yield vectors


@contextmanager
def _writing(path: Path, shape: tuple[int, int]) -> Iterator[FloatMatrix]:
    """A new array of zeros on disk, to be filled; it has its name once it is whole."""
    with replacing.writing(path) as temporary:
        # Filled on disk: the vectors of all segments need not fit in memory.
        vectors = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=shape)
        replacing.reserve(temporary)
        yield vectors
        vectors.flush()


def _fit_words(rows: pl.DataFrame, vocabulary: Vocabulary, context: StageContext) -> list[str]:
    """In-vocabulary words to fit the map on: the most frequent segments of train, then the vocabulary's order.

    In sentence context only words that train holds can be embedded, so only those.
    """
    params = context.params.embed
    n_listed = len(vocabulary) - _n_extra_words(context)
    seen = (
        rows.filter(pl.col("n_train") > 0, pl.col("boundary_id").is_between(1, n_listed))
        # Ties by boundary id, for an order that depends on nothing else.
        .sort("n_train", "boundary_id", descending=[True, False])["segment"]
        .to_list()
    )
    if params.context == "isolated":
        known = set(seen)
        # So many that fit_words are left even if every word of train is among them.
        n_words = min(params.fit_words + len(seen), n_listed)
        seen += [word for word in vocabulary.words[:n_words] if word not in known]
    words = seen[: params.fit_words]
    if len(words) < FEWEST_FIT_WORDS:
        raise SsmiError(
            f"embed: words in both the vocabulary and train: {len(words)}; a map needs {FEWEST_FIT_WORDS}",
            next_step="use -S embed.context=isolated, or vectors that cover the text",
        )
    return words


def _n_extra_words(context: StageContext) -> int:
    """Words at the vocabulary's end whose vectors were mapped from BERT's: a map is not fitted on what a map made."""
    extra = VocabStatistics.of(manifests.load(context.folder("vocab"))).extra_words
    return 0 if extra is None else extra.added


STAGE = Stage(
    name="embed",
    version=2,
    sections=("encoder", "embed"),
    upstream=("vocab", "segment", "prepare"),
    external_inputs=external_inputs,
    work=work,
)

"""Segments → vectors: the vocabulary's where it has the word, else BERT's (paper: E(s_i))."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ssmi.pipeline.assets.encoders import EncoderFolder
from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract import schema, tables
from ssmi.pipeline.contract.encoders.vocabulary import encoder_vocabulary
from ssmi.pipeline.contract.errors import InputDataError, SsmiError
from ssmi.pipeline.contract.manifest import StageReport
from ssmi.pipeline.contract.statistics import EmbedStatistics, VocabStatistics
from ssmi.pipeline.executor import run_single_threaded
from ssmi.pipeline.features.alignment import Alignment, SpanMeanAccumulator, fit_alignment
from ssmi.pipeline.features.tokens import CharacterTokens
from ssmi.pipeline.features.vocabulary import Vocabulary, normalised
from ssmi.pipeline.lexicon.alignment_file import ALIGNMENT_FILE, open_alignment, save_alignment
from ssmi.pipeline.lexicon.segment_vector_files import (
    BERT_BOUNDARIES_FILE,
    BERT_SEGMENTS_FILE,
    SEGMENTS_FILE,
    VECTORS_FILE,
)
from ssmi.pipeline.lexicon.segmenter import frequent_words
from ssmi.pipeline.lexicon.vocabulary_files import open_vocabulary
from ssmi.pipeline.stages.corpora.fitted import like_folder, like_inputs
from ssmi.pipeline.stages.encoding import alignment_fit, encode_words, encoder_inputs, encoder_of, open_encoder
from ssmi.pipeline.stages.stage import Stage, StageContext, part_sizes, parts_of, require_train, splits_in

FloatMatrix = npt.NDArray[np.float32]
DoubleMatrix = npt.NDArray[np.float64]

MOST_UNKNOWN, MOST_UNKNOWN_UNREPORTED = 0.5, 0.05
"""Shares of a data set's Chinese characters: with more unknown to it an encoder is refused, or this is reported."""


@dataclass(frozen=True)
class _PartTask:
    encoder: Path
    digest: str
    sentences: Path
    segments: Path
    wanted: Path


def external_inputs(context: StageContext) -> Mapping[str, str]:
    """The encoder; of a corpus also the map that its data set has fitted."""
    return {**encoder_inputs(context), **like_inputs(context, "embed")}


def work(context: StageContext, folder: Path) -> StageReport:
    """Give every distinct segment a vector and say how good the bridge between the two spaces is."""
    params = context.params.embed
    if context.corpus is None:
        require_train(context.dataset, splits_in(context.folder("segment")))
    vocabulary = open_vocabulary(context.folder("vocab"), digest=context.digest("vocab"))
    counts = _count_segments(context)
    _check_characters(counts, encoder_of(context), context)
    rows = _distinct_rows(counts, vocabulary, splits=() if context.corpus else tables.SPLITS)
    n_in_dataset, n_outside = len(rows), sum(not row["boundary_id"] for row in rows)
    if params.context == "isolated" and context.corpus is None:
        # In sentence context a word has no vector apart from a sentence, so none can be made ahead.
        rows += _precomputed_rows(params.precompute_words, vocabulary, in_dataset={row["segment"] for row in rows})
    tables.write_rows(folder / SEGMENTS_FILE, schema.DISTINCT_SEGMENTS, rows)
    oov = [row["segment"] for row in rows if not row["boundary_id"]]
    vectors = np.array(vocabulary.vectors[[row["boundary_id"] for row in rows]])
    fit_quality = None
    oov_rows = [row["segment_id"] for row in rows if not row["boundary_id"]]
    if params.space == "aligned" and context.corpus is not None:
        alignment_of_like = open_alignment(like_folder(context, context.corpus, "embed") / ALIGNMENT_FILE)
        vectors[oov_rows] = run_single_threaded(alignment_of_like.apply, _bert_vectors(oov, context))
    elif params.space == "aligned":
        alignment, vectors[oov_rows] = _aligned_vectors(oov, counts["train"], vocabulary, context)
        save_alignment(alignment, folder / ALIGNMENT_FILE)
        fit_quality = alignment_fit(alignment)
    else:
        oov_vectors = _bert_vectors(oov, context)
        bert = np.zeros((len(rows), oov_vectors.shape[1]), dtype=np.float32)
        bert[oov_rows] = normalised(oov_vectors)
        np.save(folder / BERT_SEGMENTS_FILE, bert, allow_pickle=False)
        _save_boundaries(folder, vocabulary, context)
    np.save(folder / VECTORS_FILE, vectors, allow_pickle=False)
    statistics = EmbedStatistics(
        distinct_segments=n_in_dataset,
        oov_segments=n_outside,
        precomputed_segments=len(rows) - n_in_dataset,
        encoder_digest=encoder_of(context).digest,
        alignment=fit_quality,
    )
    return StageReport(rows_in=len(rows), rows_out=len(rows), statistics=statistics.to_json())


def _aligned_vectors(
    oov: Sequence[str], train: Counter[str], vocabulary: Vocabulary, context: StageContext
) -> tuple[Alignment, FloatMatrix]:
    """Fit the map to the vocabulary's space; return it with the vectors of ``oov`` there. Shape: (oov, d)."""
    params = context.params.embed
    fit_on = _fit_words(train, vocabulary, context)
    bert = _bert_vectors([*oov, *fit_on], context)
    fit = partial(fit_alignment, bert[len(oov) :], ridge=params.ridge, seed=params.seed)
    targets = vocabulary.vectors[[vocabulary[word] for word in fit_on]]
    alignment = run_single_threaded(fit, targets)
    return alignment, run_single_threaded(alignment.apply, bert[: len(oov)])


def _save_boundaries(folder: Path, vocabulary: Vocabulary, context: StageContext) -> None:
    """Write BERT's unit vectors of all boundaries; row 0, no boundary, is zero."""
    boundaries = normalised(encode_words(list(vocabulary.words), context, label="embed boundaries"))
    none = np.zeros((1, boundaries.shape[1]), dtype=np.float32)
    np.save(folder / BERT_BOUNDARIES_FILE, np.vstack([none, boundaries]), allow_pickle=False)


def _count_segments(context: StageContext) -> dict[str, Counter[str]]:
    parts = parts_of(context.folder("segment"))
    done = context.map_tasks(
        count_part, [path for _, _, path in parts], sizes=part_sizes(parts), label="count segments"
    )
    counts: dict[str, Counter[str]] = {split: Counter() for split in tables.ALL_SPLITS}
    for (split, _, _), count in zip(parts, done, strict=True):
        counts[split].update(count)
    return counts


def count_part(path: Path) -> Counter[str]:
    """Occurrences of each segment in one part."""
    column = tables.read_table(path, schema.SEGMENTS, columns=["segments"])["segments"]
    return Counter(segment for row in column.to_pylist() for segment in row)


def _check_characters(counts: Mapping[str, Counter[str]], encoder: EncoderFolder, context: StageContext) -> None:
    """Refuse an encoder to which most Chinese characters of the data set are unknown; report one that lacks many.

    Raises InputDataError.
    """
    tokens = CharacterTokens(encoder_vocabulary(encoder.path))
    counted: Counter[str] = Counter()
    for segments in counts.values():
        for segment, n in segments.items():
            for character in segment:
                if "\u4e00" <= character <= "\u9fff":
                    counted[character] += n
    unknown = Counter({character: n for character, n in counted.items() if not tokens.knows(character)})
    share = unknown.total() / max(1, counted.total())
    if share <= MOST_UNKNOWN_UNREPORTED:
        return
    examples = "".join(character for character, _ in unknown.most_common(10))
    message = (
        f"{encoder.name}: {share:.0%} of the Chinese characters of {context.dataset} are unknown to it"
        f" ({examples} first)"
    )
    if share > MOST_UNKNOWN:
        raise InputDataError(message, next_step="name an encoder for Chinese with encoder.name")
    context.reporter.note(f"{message}; ssmi-cli data check lists them")


def _distinct_rows(
    counts: Mapping[str, Counter[str]], vocabulary: Vocabulary, *, splits: Sequence[str]
) -> list[dict[str, Any]]:
    """One row a distinct segment, the most frequent first; with counts of ``splits``, and none of the others."""
    total: Counter[str] = sum(counts.values(), Counter())
    # Ties by text: a counter's own order would follow the order of the parts.
    order = sorted(total, key=lambda segment: (-total[segment], segment))
    return [
        {
            "segment_id": index,
            "segment": segment,
            "boundary_id": vocabulary.get(segment, 0),
            **{f"n_{split}": counts[split][segment] if split in splits else None for split in tables.SPLITS},
        }
        for index, segment in enumerate(order)
    ]


def _precomputed_rows(n: int, vocabulary: Vocabulary, *, in_dataset: Set[str]) -> list[dict[str, Any]]:
    """Rows of frequent words that do not occur in the data set."""
    words = frequent_words(n, unless=lambda word: word in in_dataset or word in vocabulary)
    none = dict.fromkeys((f"n_{split}" for split in tables.SPLITS), 0)
    return [
        {"segment_id": index, "segment": word, "boundary_id": 0, **none}
        for index, word in enumerate(words, len(in_dataset))
    ]


def _fit_words(train: Counter[str], vocabulary: Vocabulary, context: StageContext) -> list[str]:
    """In-vocabulary words to fit the map on: the most frequent segments of train, then the vocabulary's order.

    In sentence context only words that train holds can be embedded, so only those.
    """
    params = context.params.embed
    n_listed = len(vocabulary) - _n_extra_words(context)
    seen = sorted(
        (word for word in train if 0 < vocabulary.get(word, 0) <= n_listed),
        # Ties by boundary id: a counter's own order would follow the order of the parts.
        key=lambda word: (-train[word], vocabulary[word]),
    )
    if params.context == "isolated":
        known = set(seen)
        # So many that fit_words are left even if every word of train is among them.
        n_words = min(params.fit_words + len(seen), n_listed)
        seen += [word for word in vocabulary.words[:n_words] if word not in known]
    words = seen[: params.fit_words]
    if len(words) < 20:
        raise SsmiError(
            f"embed: only {len(words)} words lie in both the vocabulary and train; a map needs 20",
            next_step="use -S embed.context=isolated, or vectors that cover the text",
        )
    return words


def _n_extra_words(context: StageContext) -> int:
    """Words at the vocabulary's end whose vectors were mapped from BERT's: a map is not fitted on what a map made."""
    extra = VocabStatistics.of(manifests.load(context.folder("vocab"))).extra_words
    return 0 if extra is None else extra.added


def _bert_vectors(words: Sequence[str], context: StageContext) -> FloatMatrix:
    if context.params.embed.context == "isolated":
        return encode_words(words, context, label="embed")
    return _in_sentences(words, context)


def _in_sentences(words: Sequence[str], context: StageContext) -> FloatMatrix:
    """Mean over all occurrences of the mean last-layer state of each word in its sentences. Shape: (words, width)."""
    encoder = encoder_of(context)
    scratch = context.scratch() / "embed"
    scratch.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256("\n".join(words).encode("utf-8", "surrogatepass")).hexdigest()
    wanted = scratch / f"{name}.txt"  # a file, since a task must stay small when it is sent to a worker
    with tables.writing(wanted) as temporary:
        temporary.write_bytes("\n".join(words).encode("utf-8", "surrogatepass"))
    parts = parts_of(context.folder("segment"))
    tasks = [
        _PartTask(
            encoder=encoder.path,
            digest=encoder.digest,
            sentences=tables.part_path(context.folder("prepare"), split, number),
            segments=path,
            wanted=wanted,
        )
        for split, number, path in parts
    ]
    # Results come in the parts' order, so the float sums do not depend on which worker was first.
    sums: DoubleMatrix | None = None
    counts = np.zeros(len(words), dtype=np.int64)
    for indices, part_sums, part_counts in context.map_tasks(embed_part, tasks, sizes=part_sizes(parts), label="embed"):
        if sums is None:
            sums = np.zeros((len(words), part_sums.shape[1]))
        # Safe, though numpy adds once for an index that stands twice: a part names each word once.
        sums[indices] += part_sums
        counts[indices] += part_counts
    if sums is None:
        raise SsmiError("embed: there is no sentence to embed", next_step="build the prepare stage again")
    # A word that occurs nowhere keeps a zero row instead of 0 / 0.
    return (sums / np.maximum(counts, 1)[:, None]).astype(np.float32)


def embed_part(task: _PartTask) -> tuple[npt.NDArray[np.int64], DoubleMatrix, npt.NDArray[np.int64]]:
    """Sums of the vectors of each wanted segment over one part: (word indices, sums, occurrences)."""
    words = task.wanted.read_bytes().decode("utf-8", "surrogatepass").split("\n")
    encoder = open_encoder(task.encoder, task.digest)
    sentences = tables.read_rows(task.sentences, schema.SENTENCES, columns=["characters"])
    segments = tables.read_rows(task.segments, schema.SEGMENTS, columns=["segments", "segment_starts"])
    occurrences = SpanMeanAccumulator({word: index for index, word in enumerate(words)})
    for start in range(0, len(sentences), 32):
        characters = [row["characters"] for row in sentences[start : start + 32]]
        for row, states in zip(segments[start : start + 32], encoder.states(characters), strict=True):
            occurrences.add(states, segments=row["segments"], starts=row["segment_starts"])
    indices = np.array(sorted(occurrences.sums), dtype=np.int64)
    stacked = np.stack([occurrences.sums[index] for index in indices]) if len(indices) else np.zeros((0, encoder.width))
    return indices, stacked, np.array([occurrences.counts[index] for index in indices], dtype=np.int64)


STAGE = Stage(
    name="embed",
    version=1,
    sections=("encoder", "embed"),
    upstream=("vocab", "segment", "prepare"),
    external_inputs=external_inputs,
    work=work,
)

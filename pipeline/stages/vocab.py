"""Word vectors → vocabulary, trie, character index, mappable matrix (paper: Match Latent Word Boundaries)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from ssmi.pipeline.assets.vectors import VectorsFile, find_vectors
from ssmi.pipeline.contract.errors import InputDataError, at_line
from ssmi.pipeline.contract.manifest import StageReport, digest_file, digest_json
from ssmi.pipeline.contract.parquet.statistics import ExtraWords, VocabStatistics
from ssmi.pipeline.executor import run_single_threaded
from ssmi.pipeline.features.alignment import fit_alignment
from ssmi.pipeline.lexicon.extra_words import LeftOut, partition_extra_words, read_extra_words, words_to_fit_on
from ssmi.pipeline.lexicon.vocabulary_builder import VocabularyBuilder
from ssmi.pipeline.lexicon.word_vectors import VectorReader, open_vectors
from ssmi.pipeline.stages.running.encoding import alignment_fit, encode_words, encoder_of
from ssmi.pipeline.stages.running.stage import Stage, StageContext

NAMED_LINES = 10
"""Number of extra words left out that a message names; all of them are counted."""


def external_inputs(context: StageContext) -> Mapping[str, str]:
    """The vector file; with extra words, also their list, the encoder and the parameters of the map from its space.

    These inputs are not in ``sections``, because nothing depends on them without extra words.
    """
    vectors = _find(context)
    inputs = {f"vectors/{Path(vectors.name).name}": vectors.sha256}
    extra = _extra_words(context)
    # A missing list is refused when it is read, with the name of its parameter.
    if extra is not None and extra.is_file():
        encoder, embed = encoder_of(context), context.params.embed
        inputs[f"extra_words/{extra.name}"] = digest_file(extra)
        inputs[f"encoder/{Path(encoder.name).name}"] = encoder.digest
        inputs["embed"] = digest_json({"fit_words": embed.fit_words, "ridge": embed.ridge, "seed": embed.seed})
    return inputs


def work(context: StageContext, folder: Path) -> StageReport:
    """Read the vectors, keep the words that can be boundaries, and index them."""
    params = context.params.vocab
    vectors = _find(context)
    context.reporter.note(f"vocab: reading {vectors.name}")
    lengths = {"min_word_len": params.min_word_len, "max_word_len": params.max_word_len}
    with VocabularyBuilder(folder, **lengths, max_words=params.max_words) as builder:
        with open_vectors(vectors.path, encoding=params.encoding) as reader:
            for words, matrix in reader.blocks():
                builder.add(words, matrix)
                if builder.full:
                    break  # files list the most frequent words first, and may be gigabytes long
        if not builder.words:
            raise InputDataError(
                f"{vectors.path}: no word of {params.min_word_len} to {params.max_word_len} characters with a CJK "
                "character",
                next_step="choose Chinese word vectors (vocab.vectors)",
            )
        context.reporter.note(_summary(reader))
        extra = None if params.extra_words is None else _add_extra_words(context, builder)
        n_words = builder.finish()
    skipped = builder.dropped + reader.dropped
    if extra is not None:
        skipped += Counter({f"extra word: {reason}": count for reason, count in extra.left_out.items()})
    return StageReport(
        rows_in=reader.n_rows + (extra.listed if extra is not None else 0),
        rows_out=n_words,
        skipped=dict(sorted(skipped.items())),
        statistics=_statistics(reader, licence=vectors.licence, extra=extra).to_json(),
    )


def _statistics(reader: VectorReader, *, licence: str, extra: ExtraWords | None) -> VocabStatistics:
    """Describe what was read, for the manifest."""
    return VocabStatistics(
        width=reader.width,
        format=reader.format,
        container=reader.file.container,
        encoding=reader.encoding,
        rows_in_header=reader.n_in_header,
        read_to_the_end=_all_read(reader),
        repairs=dict(sorted((+reader.repairs).items())),
        licence=licence,
        member=reader.file.member or None,
        members_passed_over=len(reader.file.passed_over),
        extra_words=extra,
    )


def _all_read(reader: VectorReader) -> bool:
    """Whether all rows were read, judged by the file's end or by its header."""
    return reader.ended or reader.n_rows == reader.n_in_header


def _summary(reader: VectorReader) -> str:
    """Describe what was read, in one line for the user."""
    packed = f" in {reader.file.container}" if reader.file.container else ""
    member = f" ({reader.file.member})" if reader.file.member else ""
    repairs = "".join(f", {count:,} {reason}" for reason, count in sorted((+reader.repairs).items()))
    rest = ""
    if not _all_read(reader):
        named = f" of the {reader.n_in_header:,} that its header names" if reader.n_in_header else ""
        rest = f"; vocab.max_words are kept, so reading stopped after {reader.n_rows:,} rows{named}: the rest is unread"
    return (
        f"vocab: {reader.format}{packed}{member}, {reader.encoding}, {reader.n_rows:,} rows of {reader.width} numbers"
        f"{repairs}{rest}"
    )


def _add_extra_words(context: StageContext, builder: VocabularyBuilder) -> ExtraWords:
    """Add the extra words to the vocabulary, with ids after all others, and report those that are left out.

    Their vectors are mapped from BERT's space like those of segments outside the vocabulary. The map is fitted on the
    vocabulary's first words, since this stage has no data set whose words could come first.
    """
    path = _extra_words(context)
    assert path is not None
    listed = read_extra_words(path)
    joining, left_out = partition_extra_words(listed, builder)
    digest = fit_quality = None
    if joining:
        params = context.params.embed
        fit_on = words_to_fit_on(builder, params.fit_words)
        states = encode_words([*joining, *fit_on], context, label="embed extra words")
        fit = partial(fit_alignment, states[len(joining) :], ridge=params.ridge, seed=params.seed)
        alignment = run_single_threaded(fit, builder.vectors(len(fit_on)))
        builder.add_over_limit(joining, run_single_threaded(alignment.apply, states[: len(joining)]))
        digest, fit_quality = encoder_of(context).digest, alignment_fit(alignment)
    context.reporter.note(f"vocab: {len(joining):,} of {len(listed):,} extra words added{_named(path, left_out)}")
    return ExtraWords(
        listed=len(listed),
        added=len(joining),
        left_out=dict(sorted(Counter(one.reason for one in left_out).items())),
        encoder_digest=digest,
        alignment=fit_quality,
    )


def _named(path: Path, left_out: list[LeftOut]) -> str:
    lines = [f"{at_line(path, one.line)} {one.word!r} {one.reason}" for one in left_out[:NAMED_LINES]]
    more = len(left_out) - len(lines)
    return f"; left out: {', '.join(lines)}{f' and {more} more' if more > 0 else ''}" if lines else ""


def _extra_words(context: StageContext) -> Path | None:
    name = context.params.vocab.extra_words
    return None if name is None else Path(os.path.normpath(context.root / name))


def _find(context: StageContext) -> VectorsFile:
    return find_vectors(context.params.vocab.vectors, root=context.root, reporter=context.reporter)


STAGE = Stage(
    name="vocab",
    version=2,
    sections=("vocab",),
    upstream=(),
    external_inputs=external_inputs,
    work=work,
    in_parts=False,
    watched=("encoder", "embed.fit_words", "embed.ridge", "embed.seed"),
)

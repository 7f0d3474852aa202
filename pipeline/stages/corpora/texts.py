"""The texts of a corpus → sentences without labels, and where each comes from."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssmi.pipeline.assets.corpora import CorpusFiles
from ssmi.pipeline.assets.names import OWN_LICENCE
from ssmi.pipeline.columns.sentences import sentences_table
from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.manifest import StageReport, digest_json
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.parquet.statistics import PrepareStatistics
from ssmi.pipeline.contract.storage.digests import digest_once
from ssmi.pipeline.contract.text.encodings import replace_surrogates
from ssmi.pipeline.features.text.blanks import LEFT_OUT, NOTHING_BUT_BLANKS, Stretch, pieces_of
from ssmi.pipeline.readers.texts import read_texts
from ssmi.pipeline.stages.running.stage import Corpus, StageContext

_MAX_SENTENCES = 2**31
"""Most sentences that the tables' ids can number."""


def text_inputs(corpus: Corpus, *, field: str) -> Mapping[str, str]:
    """The files of a corpus, and the field that is read from their rows, as external inputs: name → digest."""
    return {**file_inputs(corpus.files), "text_field": digest_json(field)}


def file_inputs(corpus: CorpusFiles) -> Mapping[str, str]:
    """The files of a corpus by their names below it, as external inputs: name → digest."""
    return {f"raw/{tables.TEXT}/{name}": digest_once(path) for name, path in corpus.files.items()}


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A sentence of a corpus, and where it comes from."""

    text_id: int
    file: str
    line: int
    piece: Stretch


@dataclass(slots=True)
class _Counts:
    """Counts of what was read."""

    texts: int = 0
    characters: int = 0
    blank: int = 0
    """Texts of nothing but blanks."""
    nul: int = 0
    """Blank texts that hold NUL."""
    blanks_left_out: int = 0
    """Other texts of which some blanks are left out."""


def prepare_texts(context: StageContext, corpus: Corpus, folder: Path) -> StageReport:
    """Cut the texts of a corpus into sentences, and write them with their sources, in parts.

    Memory holds one part and one text at a time.

    Raises:
        InputDataError: The corpus holds no text, or more sentences than the tables can number.
    """
    for note in corpus.files.notes:
        context.reporter.note(f"prepare: {note}")
    counts = _Counts()
    stream = _sentences(corpus.files.files, counts, field=context.params.prepare.text_field)
    n_sentences = 0
    with context.reporter.task("prepare text", total=0, unit="sentences") as advance:
        for part in itertools.count():
            batch = list(itertools.islice(stream, context.params.prepare.sentences_per_part))
            if not batch:
                break
            _write_part(folder, part, batch, first=n_sentences)
            n_sentences += len(batch)
            advance(len(batch))
    if not n_sentences and counts.nul:
        raise InputDataError(
            f"corpus {context.dataset}: holds only NUL bytes and blanks; not a text file",
            next_step="give text files; save tables and documents as .txt in UTF-8 first",
        )
    if not n_sentences:
        raise InputDataError(f"corpus {context.dataset}: holds no text", next_step="give files with text")
    return StageReport(
        rows_in=counts.texts,
        rows_out=n_sentences,
        skipped={NOTHING_BUT_BLANKS: counts.blank} if counts.blank else {},
        statistics=PrepareStatistics(
            licence=OWN_LICENCE,
            schemes={},
            repairs={LEFT_OUT: counts.blanks_left_out} if counts.blanks_left_out else {},
            sentences={tables.TEXT: n_sentences},
            characters=counts.characters,
            entities=0,
            dev_cut_from_train=False,
            label_groups={},
            source=corpus.files.source,
        ).to_json(),
    )


def _sentences(files: Mapping[str, Path], counts: _Counts, *, field: str) -> Iterator[_Sentence]:
    for name, path in files.items():
        for text in read_texts(path, field=field):
            n_seen = 0
            for piece in pieces_of(text.text):
                n_seen += len(piece.text)
                yield _Sentence(counts.texts, name, text.line, piece)
            counts.texts += 1
            counts.characters += n_seen
            counts.blank += not n_seen
            counts.nul += not n_seen and "\0" in text.text
            counts.blanks_left_out += 0 < n_seen < len(text.text)


def _write_part(folder: Path, part: int, sentences: list[_Sentence], *, first: int) -> None:
    if first + len(sentences) > _MAX_SENTENCES:
        raise InputDataError(
            f"{sentences[0].file}: more than {_MAX_SENTENCES:,} sentences", next_step="make several corpora of it"
        )
    sources = [_source(sentence_id, one) for sentence_id, one in enumerate(sentences, start=first)]
    tables.write_rows(tables.part_path(folder, tables.SOURCES, part), schema.SOURCES, sources)
    texts = [replace_surrogates(one.piece.text) for one in sentences]  # as online prediction does
    table = sentences_table(texts, lines=[one.line for one in sentences], entities=None, first=first)
    tables.write_table(tables.part_path(folder, tables.TEXT, part), schema.SENTENCES, table)


def _source(sentence_id: int, one: _Sentence) -> dict[str, Any]:
    positions = one.piece.positions
    start, end = positions[0], positions[-1] + 1
    return {
        "sentence_id": sentence_id,
        "text_id": one.text_id,
        "file": one.file,
        "line": one.line,
        "start": start,
        "positions": None if end - start == len(positions) else list(positions),
    }

r"""brat's standoff files: ``doc.txt`` and, beside it, ``doc.ann`` with ``T1<tab>PER 0 3<tab>李建国``.

A split is one pair of files, or a folder of pairs. Offsets refer to the whole text, including line ends. Each line of
the text is a sentence; lines that share an entity form one sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError, at_line
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.readers.entities.spans import (
    EMPTY_TEXT,
    OffsetCensus,
    RawSpan,
    Unit,
    checked_spans,
    code_points_of,
    without_overlaps,
)
from ssmi.pipeline.readers.options import ReadOptions
from ssmi.pipeline.readers.raw.lines import numbered_lines, read_text
from ssmi.pipeline.readers.rows.fields import raw_span
from ssmi.pipeline.readers.sentence import ReadReport, Sentence

TEXTS = ".txt"
ANNOTATIONS = ".ann"
DISCONTINUOUS = "discontinuous-entity"
JOINED_LINES = "entity-across-lines"
UNANNOTATED = "text-without-annotations"
OTHERS = {"R": "relation", "*": "relation", "E": "event", "A": "attribute", "M": "attribute", "N": "normalization"}
"""Kinds of annotations other than entities, by the first character of their line."""
NOTE = "note"

# Python refuses to parse integers of more than 4300 digits; offsets never have more than 18.
_ENTITY = re.compile(r"T\S*\t(\S+) (-?\d{1,18} -?\d{1,18}(?:;-?\d{1,18} -?\d{1,18})*)(?:\t(.*))?")
_LINE_END = re.compile(r"\r?\n")


@dataclass(frozen=True, slots=True)
class _Entity:
    line: int
    """Line in the annotations file."""
    span: RawSpan
    """From the start of the first piece to the end of the last."""
    gaps: Sequence[tuple[int, int]]
    """The intervals between the pieces, in the unit of the file's offsets."""


@dataclass(frozen=True, slots=True)
class _Document:
    path: Path
    text: str
    entities: list[_Entity]


def brat_files(path: Path) -> list[Path]:
    """Return the files that are read for a folder or a file of a pair; empty without annotations."""
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in (TEXTS, ANNOTATIONS))
        return files if any(file.suffix == ANNOTATIONS for file in files) else []
    pair = [path.with_suffix(ANNOTATIONS), path.with_suffix(TEXTS)]
    return pair if path in pair and pair[0].is_file() else []


def read_brat(path: Path, options: ReadOptions, report: ReadReport) -> Iterator[Sentence]:
    """Yield the sentences of a pair of files, or of all pairs of a folder in the order of their names.

    Entities of several pieces are kept if only white space separates the pieces, which is how brat writes entities
    across lines; otherwise they are counted as skipped. Relations, events, attributes, normalizations and notes are
    counted as skipped, as are texts of a folder without annotations. ``line`` refers to the text file.

    Raises:
        MissingResourceError: The annotations or their text do not exist.
        InputDataError: With ``file:line`` for lines of a different form and entities that do not match the text.
    """
    if not brat_files(path):
        raise MissingResourceError(
            f"{path}: no {ANNOTATIONS} file in it or beside it", next_step="keep train.txt and train.ann together"
        )
    unit: Unit = "code-points"
    if options.offsets == "auto":
        census = OffsetCensus()
        for document in _documents(path, options, ReadReport(path, report.format)):
            census.add(document.text, [entity.span for entity in document.entities], where=str(document.path))
        unit = census.unit(report)
    else:
        unit = options.offsets
    for document in _documents(path, options, report):
        spans = list(_spans(document, unit, report))
        yield from _lines(document.text, without_overlaps(spans, line=1, report=report), report)


def _spans(document: _Document, unit: Unit, report: ReadReport) -> Iterator[Span]:
    """Check the entities of a text; those with something else than white space between their pieces are skipped."""
    text, code_point_of = document.text, code_points_of(document.text, unit)
    for entity in document.entities:
        gaps = entity.gaps
        if code_point_of is not None:
            # An offset inside a character is left as it is, for checked_spans to refuse the entity if it is one end.
            gaps = [(code_point_of.get(start, start), code_point_of.get(end, end)) for start, end in gaps]
        if any(text[start:end].strip() for start, end in gaps):
            report.skip(DISCONTINUOUS, entity.line)
            continue
        where = at_line(document.path.with_suffix(ANNOTATIONS), entity.line)
        # One at a time, so that an error names its line; overlaps are resolved for the whole text by the caller.
        yield from checked_spans([entity.span], text=text, unit=unit, where=where, line=entity.line, report=report)


def _documents(path: Path, options: ReadOptions, report: ReadReport) -> Iterator[_Document]:
    # Sorted by name, because the order of a set differs between runs.
    stems = sorted({file.with_suffix("") for file in brat_files(path)})
    for stem in stems:
        texts, annotations = stem.with_name(stem.name + TEXTS), stem.with_name(stem.name + ANNOTATIONS)
        if not annotations.is_file():
            report.skip(UNANNOTATED, 1)
            continue
        text = read_text(texts, encoding=options.encoding, keep_ends=True)
        yield _Document(texts, text, list(_annotations(annotations, options, report)))


def _annotations(path: Path, options: ReadOptions, report: ReadReport) -> Iterator[_Entity]:
    with closing(numbered_lines(path, encoding=options.encoding)) as lines:
        for number, line in lines:
            if not line.strip():
                continue
            if not line.startswith("T"):
                other = NOTE if line.startswith("#") else OTHERS.get(line[0])
                if other is None:
                    raise _wrong(path, number, f"{line[:40]!r} is not a line of brat's")
                report.skip(other, number)
                continue
            entity = _ENTITY.fullmatch(line)
            if entity is None:
                raise _wrong(path, number, f"{line[:40]!r} is not an entity of brat's")
            label, offsets, quoted = entity.groups()
            pieces = [tuple(map(int, piece.split(" "))) for piece in offsets.split(";")]
            start, end = pieces[0][0], pieces[-1][1]
            whole = quoted if len(pieces) == 1 else None  # brat writes one blank between pieces, whatever stands there
            span = raw_span(start, end, label, quoted=whole, where=at_line(path, number))
            yield _Entity(number, span, [(left[1], right[0]) for left, right in pairwise(pieces)])


def _lines(text: str, spans: tuple[Span, ...], report: ReadReport) -> Iterator[Sentence]:
    """Cut a text and its entities into lines."""
    breaks = [(0, 0), *(line_end.span() for line_end in _LINE_END.finditer(text)), (len(text), len(text))]
    waiting = list(spans)
    start, first = 0, 1
    for line, (before, after) in enumerate(breaks[1:], start=1):
        inside = [span for span in waiting if span.start < after]
        if inside and inside[-1].end > before and before < len(text):
            report.repair(JOINED_LINES, line)
            continue
        del waiting[: len(inside)]
        piece = text[start:before]
        if inside or piece.strip():
            yield Sentence(tuple(piece), tuple(Span(s.start - start, s.end - start, s.label) for s in inside), first)
        elif before < len(text):
            report.skip(EMPTY_TEXT, first)
        start, first = after, line + 1


def _wrong(path: Path, line: int, what: str) -> InputDataError:
    return InputDataError(
        f"{at_line(path, line)}: {what}", next_step="write T1, a tab, type start end, a tab, the entity's text"
    )

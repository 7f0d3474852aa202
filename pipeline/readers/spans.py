"""Entities given as offsets into a text: in which unit, whether the text agrees, and what to do where they overlap.

A reader of such a format yields ``Marked`` texts and gives them to ``marked_sentences``, which reads them twice: once
to find out what the offsets of the file count, once for the sentences.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from typing import Literal, NamedTuple

from ssmi.pipeline.contract.errors import InputDataError, at_line
from ssmi.pipeline.contract.labels import Span, is_label
from ssmi.pipeline.readers.options import ReadOptions
from ssmi.pipeline.readers.sentence import ReadReport, Sentence

Unit = Literal["code-points", "utf-16"]

EMPTY_TEXT = "empty-text"
OVERLAPPING_ENTITY = "overlapping-entity"
_LAST_OF_PLANE_0 = "\uffff"


class RawSpan(NamedTuple):
    """An entity as a file gives it, nothing checked."""

    start: int
    end: int
    label: str
    quoted: tuple[str, ...] = ()
    """Every string by which the file itself says the entity's text."""
    shown: str = ""
    """How errors show it."""


class Marked(NamedTuple):
    """A text and its raw entities."""

    line: int
    text: str
    spans: Sequence[RawSpan]
    where: str = ""
    """What errors call the location; by default ``file:line`` of the file that is read."""


def marked_sentences(
    read: Callable[[ReadReport], Iterable[Marked]], *, path: Path, options: ReadOptions, report: ReadReport
) -> Iterator[Sentence]:
    """Yield a sentence for each text that ``read`` yields; texts without a character are skipped and counted.

    ``read`` is called once or twice, each time from the start, with the report that it should count in.

    Raises:
        InputDataError: As ``OffsetCensus`` and ``checked_spans`` do.
    """
    unit: Unit = "code-points"
    if options.offsets == "auto":
        census = OffsetCensus()
        with suppress(InputDataError):  # raised again below, after the sentences before it
            for marked in read(ReadReport(path, report.format)):
                census.add(marked.text, marked.spans, where=marked.where or at_line(path, marked.line))
        unit = census.unit(report)
    else:
        unit = options.offsets
    for line, text, marked_spans, where in read(report):
        spans = checked_spans(
            marked_spans, text=text, unit=unit, where=where or at_line(path, line), line=line, report=report
        )
        if text:
            yield Sentence(tuple(text), spans, line)
        else:
            report.skip(EMPTY_TEXT, line)


class OffsetCensus:
    """Finds out whether the offsets of a file count code points or UTF-16 units (JavaScript's and Java's).

    The two differ only after a character beyond U+FFFF, an emoji for example, so most texts do not tell.
    """

    def __init__(self) -> None:
        self._points = ""  # the first location where only code points agree with the quoted text
        self._units = ""  # the same of UTF-16 units
        self._inside = ""  # the first location where an entity lies inside the text only if UTF-16 units are counted
        self._whole = False  # some entity would begin or end inside a character if UTF-16 units were counted
        self._open = ""  # the first location where either may be meant

    def add(self, text: str, spans: Iterable[RawSpan], *, where: str) -> None:
        """Look at one text and its entities."""
        if not text or max(text) <= _LAST_OF_PLANE_0:
            return
        code_point_of = _utf16_places(text)
        for span in spans:
            points = text[span.start : span.end] if 0 <= span.start < span.end <= len(text) else None
            begin, end = code_point_of.get(span.start), code_point_of.get(span.end)
            units = text[begin:end] if begin is not None and end is not None and begin < end else None
            if begin == span.start and end == span.end:
                continue  # nothing beyond U+FFFF before its end
            if span.quoted and (units in span.quoted) != (points in span.quoted):
                if units in span.quoted:
                    self._units = self._units or where
                else:
                    self._points = self._points or where
            elif points is None and units is not None:
                self._inside = self._inside or where
            elif points is not None and units is None:
                self._whole = True
            elif points is not None:
                self._open = self._open or where

    def unit(self, report: ReadReport) -> Unit:
        """What the offsets count, with a note in ``report`` wherever that is not plain.

        Raises:
            InputDataError: Quoted texts say both.
        """
        if self._units and self._points:
            raise InputDataError(
                f"{self._units}: an entity's quoted text agrees with offsets in UTF-16 units, but at {self._points} "
                "with code points",
                next_step="write the offsets of the whole file in one unit, code points best",
            )
        if self._points:
            return "code-points"
        if self._units:
            report.notes.append(
                f"offsets are read as UTF-16 units, as the quoted texts say (first at {_short(self._units, report)})"
            )
            return "utf-16"
        if self._inside:
            report.notes.append(
                "offsets are read as UTF-16 units: counted in code points, an entity would lie outside its text "
                f"(first at {_short(self._inside, report)})"
            )
            return "utf-16"
        if self._open and not self._whole:
            report.notes.append(
                "emoji or other characters beyond U+FFFF stand before entities (first at "
                f"{_short(self._open, report)}), whose offsets are read as code points; if the tool that wrote them "
                "counts UTF-16 units, say `offsets: utf-16` in dataset.yaml beside the file"
            )
        return "code-points"


def checked_spans(
    items: Iterable[RawSpan], *, text: str, unit: Unit, where: str, line: int, report: ReadReport
) -> tuple[Span, ...]:
    """The entities of one text in code points, sorted; of those that overlap the longer stays, the others are counted.

    Raises:
        InputDataError: Beginning with ``where``, for empty or outside stretches, offsets inside a character, a
            quoted text that does not stand there, and types that cannot be.
    """
    code_point_of = _utf16_places(text) if unit == "utf-16" and text and max(text) > _LAST_OF_PLANE_0 else None
    spans = [_checked(item, text=text, unit=unit, code_point_of=code_point_of, where=where) for item in items]
    return without_overlaps(spans, line=line, report=report)


def without_overlaps(spans: Iterable[Span], *, line: int, report: ReadReport) -> tuple[Span, ...]:
    """Of spans that overlap or nest the longer stays (of equals the earlier); the others are counted as skipped."""
    kept: list[Span] = []
    # sorted() is stable, so of two entities on one stretch the one written first stays
    for span in sorted(spans, key=lambda span: (span.start - span.end, span.start)):
        index = bisect_left(kept, span.end, key=lambda other: other.start)  # the last that starts before its end
        if index and kept[index - 1].end > span.start:
            report.skip(OVERLAPPING_ENTITY, line)
        else:
            insort(kept, span)
    return tuple(kept)


def check_label(label: str, *, where: str) -> None:
    """Refuse an entity type that is empty, holds a control character, or has white space around it."""
    if is_label(label):
        return
    raise InputDataError(
        f"{where}: entity type {label!r} is empty or holds a control character or white space around it",
        next_step="write a plain name, for example ORG",
    )


def _checked(item: RawSpan, *, text: str, unit: Unit, code_point_of: dict[int, int] | None, where: str) -> Span:
    shown = f"entity {item.shown or [item.start, item.end, item.label]}"
    start, end = item.start, item.end
    if start >= end:
        raise _wrong(f"{where}: {shown} starts where it ends or later")
    length = len(text) + (sum(mark > _LAST_OF_PLANE_0 for mark in text) if code_point_of is not None else 0)
    if start < 0 or end > length:
        counted = "UTF-16 units" if unit == "utf-16" else "code points"
        raise _wrong(
            f"{where}: {shown} lies outside the text of {length} {counted}{_other_unit(text, start, end, unit)}"
        )
    if code_point_of is not None:
        if start not in code_point_of or end not in code_point_of:
            raise _wrong(f"{where}: {shown} begins or ends inside a character, if offsets count UTF-16 units")
        start, end = code_point_of[start], code_point_of[end]
    text_there = text[start:end]
    for quoted in item.quoted:
        if quoted != text_there:
            raise _wrong(
                f"{where}: {shown} quotes {quoted!r}: the text holds {text_there!r} there "
                f"({'UTF-16 units' if unit == 'utf-16' else 'code points'} count){_why(text, start, end, quoted)}"
            )
    check_label(item.label, where=where)
    return Span(start, end, item.label)


def _utf16_places(text: str) -> dict[int, int]:
    """UTF-16 offset → code-point offset, at every border of a character."""
    lengths = (2 if mark > _LAST_OF_PLANE_0 else 1 for mark in text)
    return {units: points for points, units in enumerate(accumulate(lengths, initial=0))}


def _other_unit(text: str, start: int, end: int, unit: Unit) -> str:
    fits = unit == "code-points" and start >= 0 and end <= len(text) + sum(mark > _LAST_OF_PLANE_0 for mark in text)
    return "; counted in UTF-16 units it would not: say `offsets: utf-16`" if fits else ""


def _why(text: str, start: int, end: int, quoted: str) -> str:
    """The likely cause of a quoted text that stands elsewhere."""
    if text[start : end + 1] == quoted:
        return "; the end seems to be that of the last character itself: it must be one more"
    if start > 0 and text[start - 1 : end] == quoted:
        return "; offsets seem to count from 1 and to include the last character: take 1 from every start"
    if start > 0 and text[start - 1 : end - 1] == quoted:
        return "; offsets seem to count from 1: take 1 from every one"
    return ""


def _short(where: str, report: ReadReport) -> str:
    """A location without its folder: notes must not hold a path of this machine."""
    return where.removeprefix(f"{report.path.parent}/")


def _wrong(message: str) -> InputDataError:
    return InputDataError(
        message,
        next_step="correct the offsets of the row's entities: half-open, from 0, counting characters (code points)",
    )

"""Entities given as offsets into a text: detect the unit, check them against the text, and resolve overlaps.

A reader of such a format gives ``marked_sentences`` a function that yields ``Marked`` texts. The texts are read twice:
once to find out what the offsets of the file count, and once for the sentences.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from typing import Literal, NamedTuple

from ssmi.pipeline.contract.errors import InputDataError, at_line
from ssmi.pipeline.contract.labels import Span, is_label
from ssmi.pipeline.contract.text.wording import counted
from ssmi.pipeline.readers.options import ReadOptions
from ssmi.pipeline.readers.sentence import ReadReport, Sentence

Unit = Literal["code-points", "utf-16"]

EMPTY_TEXT = "empty-text"
OVERLAPPING_ENTITY = "overlapping-entity"
_LAST_OF_PLANE_0 = "\uffff"


class RawSpan(NamedTuple):
    """An entity as given in a file, unchecked."""

    start: int
    end: int
    label: str
    quoted: tuple[str, ...] = ()
    """Every string that the file gives as the entity's text."""
    display_name: str = ""
    """The entity as shown in errors."""


class Marked(NamedTuple):
    """A text and its raw entities."""

    line: int
    text: str
    spans: Sequence[RawSpan]
    where: str = ""
    """Location for errors; if empty, ``file:line`` of the file that is read."""


def marked_sentences(
    read: Callable[[ReadReport], Iterable[Marked]], *, path: Path, options: ReadOptions, report: ReadReport
) -> Iterator[Sentence]:
    """Yield a sentence for each text that ``read`` yields; empty texts are skipped and counted.

    Args:
        read: Function that reads the texts from the start, counting in the given report; called once or twice.
        path: The file, for messages.
        options: The options for reading.
        report: The report to fill.

    Raises:
        InputDataError: As in ``OffsetCensus`` and ``checked_spans``.
    """
    unit: Unit = "code-points"
    if options.offsets == "auto":
        census = OffsetCensus()
        with suppress(InputDataError):  # raised again below, after the preceding sentences
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
    """Finds out whether the offsets of a file count code points or UTF-16 units (as in JavaScript and Java).

    The two differ only after a character beyond U+FFFF, such as an emoji, so most texts do not show the difference.
    """

    def __init__(self) -> None:
        self._points = ""  # the first location where only code points agree with the quoted text
        self._units = ""  # the first location where only UTF-16 units agree with the quoted text
        self._inside = ""  # the first location where an entity is inside the text only if UTF-16 units are counted
        self._whole = False  # some entity would begin or end inside a character if UTF-16 units were counted
        self._open = ""  # the first location where either unit is possible

    def add(self, text: str, spans: Iterable[RawSpan], *, where: str) -> None:
        """Examine one text and its entities."""
        if not text or max(text) <= _LAST_OF_PLANE_0:
            return
        code_point_of = _utf16_places(text)
        for span in spans:
            points = text[span.start : span.end] if 0 <= span.start < span.end <= len(text) else None
            begin, end = code_point_of.get(span.start), code_point_of.get(span.end)
            units = text[begin:end] if begin is not None and end is not None and begin < end else None
            if begin == span.start and end == span.end:
                continue  # no character beyond U+FFFF before the entity's end
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
        """Return what the offsets count, with a note in ``report`` if that is not obvious.

        Raises:
            InputDataError: Some quoted texts agree only with code points, others only with UTF-16 units.
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
    """Check the entities of one text; return them in code points, sorted and without overlaps.

    Overlaps are resolved and counted by ``without_overlaps``.

    Raises:
        InputDataError: Beginning with ``where``: a span is empty, is outside the text, begins or ends inside a
            character or differs from its quoted text, or a type is invalid.
    """
    code_point_of = code_points_of(text, unit)
    spans = [_checked(item, text=text, unit=unit, code_point_of=code_point_of, where=where) for item in items]
    return without_overlaps(spans, line=line, report=report)


def code_points_of(text: str, unit: Unit) -> Mapping[int, int] | None:
    """Return the code point offset of every offset in ``unit`` between two characters; None if both are equal."""
    return _utf16_places(text) if unit == "utf-16" and text and max(text) > _LAST_OF_PLANE_0 else None


def without_overlaps(spans: Iterable[Span], *, line: int, report: ReadReport) -> tuple[Span, ...]:
    """Keep the longest of spans that overlap or nest (of equal lengths the first); count the others as skipped."""
    kept: list[Span] = []
    # sorted() is stable, so of two entities with the same offsets the one written first is kept.
    for span in sorted(spans, key=lambda span: (span.start - span.end, span.start)):
        index = bisect_left(kept, span.end, key=lambda other: other.start)  # the last that starts before its end
        if index and kept[index - 1].end > span.start:
            report.skip(OVERLAPPING_ENTITY, line)
        else:
            insort(kept, span)
    return tuple(kept)


def check_label(label: str, *, where: str) -> None:
    """Raise InputDataError for an entity type that ``is_label`` refuses."""
    if is_label(label):
        return
    raise InputDataError(
        f"{where}: entity type {label!r} is empty or holds a control character, half a surrogate pair or white space"
        " around it",
        next_step="write a plain name, for example ORG",
    )


def _checked(item: RawSpan, *, text: str, unit: Unit, code_point_of: Mapping[int, int] | None, where: str) -> Span:
    shown = f"entity {item.display_name or [item.start, item.end, item.label]}"
    start, end = item.start, item.end
    if start >= end:
        raise _wrong(f"{where}: {shown} starts where it ends or later")
    length = len(text) + (sum(mark > _LAST_OF_PLANE_0 for mark in text) if code_point_of is not None else 0)
    if start < 0 or end > length:
        shown_length = counted(length, "UTF-16 unit" if unit == "utf-16" else "code point")
        raise _wrong(f"{where}: {shown} lies outside the text of {shown_length}{_other_unit(text, start, end, unit)}")
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
    """Map the UTF-16 offset of every character boundary to its code point offset."""
    lengths = (2 if mark > _LAST_OF_PLANE_0 else 1 for mark in text)
    return {units: points for points, units in enumerate(accumulate(lengths, initial=0))}


def _other_unit(text: str, start: int, end: int, unit: Unit) -> str:
    fits = unit == "code-points" and start >= 0 and end <= len(text) + sum(mark > _LAST_OF_PLANE_0 for mark in text)
    return "; counted in UTF-16 units it would not: say `offsets: utf-16`" if fits else ""


def _why(text: str, start: int, end: int, quoted: str) -> str:
    """Explain the likely cause if a quoted text is found at slightly different offsets; otherwise empty."""
    if text[start : end + 1] == quoted:
        return "; the end seems to be that of the last character itself: it must be one more"
    if start > 0 and text[start - 1 : end] == quoted:
        return "; offsets seem to count from 1 and to include the last character: take 1 from every start"
    if start > 0 and text[start - 1 : end - 1] == quoted:
        return "; offsets seem to count from 1: take 1 from every one"
    return ""


def _short(where: str, report: ReadReport) -> str:
    """Return a location without its folder, because notes must not contain paths of this machine."""
    return where.removeprefix(f"{report.path.parent}/")


def _wrong(message: str) -> InputDataError:
    return InputDataError(
        message,
        next_step="correct the offsets of the row's entities: half-open, from 0, counting characters (code points)",
    )

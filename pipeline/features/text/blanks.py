r"""Normalization of blanks: the characters of a text that features see, without zero-width marks and idle blanks.

* A **mark** is never visible: category Cf (such as U+200B, U+FEFF, U+00AD and the bidirectional controls) and category
  Cc, except the characters that are blanks.
* A **blank** is a character for which ``str.isspace`` is true: space, tab, U+00A0, U+3000, line ends. A run of blanks
  and marks becomes one U+0020 between two characters that keep blanks (``_KEEPS_BLANKS``), and otherwise nothing.
* A **blank line** (two or more line ends with only blanks and marks between them) and U+2029 end a sentence.

So "Apple Inc", "Apple\u00a0 Inc" and "Apple\nInc" are read alike, and so are "陈思远", "陈 思 远" and "\u3000陈思\n远".
``visible_stretches`` is idempotent. Offline and online code share these functions, so that a network reads a text in
the form in which it was trained.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.contract.parquet.feature_rows import LONGEST_SENTENCE
from ssmi.pipeline.contract.text.words import WITHOUT_BLANKS
from ssmi.pipeline.features.text.windows import window_starts
from ssmi.pipeline.readers.sentence import ReadReport, Sentence

LEFT_OUT = "blanks-left-out"
NOTHING_BUT_BLANKS = "nothing-but-blanks"
BLANK_AT_EDGE = "entity-with-blank-at-edge"
BLANK_ENTITY = "entity-of-blanks"
ENTITY_OVER_BLANK_LINE = "entity-over-blank-line"

_MARKS = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f"
    "\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f"
)
"""Written out, so that the set does not depend on the Unicode version of the Python in use."""
_RUN = re.compile(rf"[\s{_MARKS}]+")
_LINE_END = re.compile("\r\n|[\n\r\x85\u2028]")

_KEEPS_BLANKS = re.compile(rf"[!-~]|(?![{WITHOUT_BLANKS}])[^\W_]")
"""ASCII letters, digits and punctuation; letters and digits of other scripts with blanks, full-width forms too."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The visible characters of a text, or of a part of it between blank lines."""

    text: str
    positions: Sequence[int]
    """The position of each character of ``text`` in the original text, ascending."""

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """Map a half-open span of ``text`` to the half-open span of the original text that it covers."""
        return self.positions[start], self.positions[end - 1] + 1


def visible_stretches(text: str) -> list[Stretch]:
    """Return the visible characters of a text, cut at blank lines; no stretch is empty, so a blank text has none."""
    if _RUN.search(text) is None:
        # Every character is visible: the text is not copied, and a range holds the positions without memory.
        return [Stretch(text, range(len(text)))] if text else []
    stretches: list[Stretch] = []
    pieces: list[str] = []
    # An array, because a list would hold one object per character.
    positions = array("q")
    done = 0
    for run in _RUN.finditer(text):
        start, end = run.span()
        pieces.append(text[done:start])
        positions.extend(range(done, start))
        done = end
        if positions and _ends_sentence(run[0]):
            stretches.append(Stretch("".join(pieces), positions))
            pieces, positions = [], array("q")
        # A blank before the first or after the last character separates nothing.
        elif positions and end < len(text) and _separates(text, start, end):
            pieces.append(" ")
            positions.append(next(position for position in range(start, end) if text[position].isspace()))
    pieces.append(text[done:])
    positions.extend(range(done, len(text)))
    if positions:
        stretches.append(Stretch("".join(pieces), positions))
    return stretches


def _ends_sentence(run: str) -> bool:
    return "\u2029" in run or len(_LINE_END.findall(run)) > 1


def _separates(text: str, start: int, end: int) -> bool:
    """Whether the run of blanks and marks from ``start`` to ``end`` separates two words."""
    before = start - 1
    while before and unicodedata.category(text[before]).startswith("M"):
        before -= 1  # combining accents and vowel signs belong to the letter before them
    return (
        _KEEPS_BLANKS.match(text, before) is not None
        and _KEEPS_BLANKS.match(text, end) is not None
        and any(map(str.isspace, text[start:end]))
    )


def pieces_of(text: str) -> Iterator[Stretch]:
    """Cut the visible characters of a text into sentences: at blank lines, to at most ``LONGEST_SENTENCE`` characters.

    Sentences that are too long are cut as ``window_starts`` does, after punctuation if possible.

    Args:
        text: The original text.

    Yields:
        The sentences in order. No sentence is empty; a text of only blanks has none.
    """
    for stretch in visible_stretches(text):
        starts = window_starts(stretch.text, max_window=LONGEST_SENTENCE)
        for start, end in zip(starts, [*starts[1:], len(stretch.text)], strict=True):
            yield Stretch(stretch.text[start:end], stretch.positions[start:end])


def visible_sentences(sentences: Iterable[Sentence], report: ReadReport) -> Iterator[Sentence]:
    """Reduce labelled sentences to their visible characters, so that features are made of them as online.

    A sentence is cut at its blank lines. Gold entities are shifted accordingly and trimmed of blanks at their edges.
    Entities of only blanks, entities across a blank line and sentences of only blanks are left out.

    Args:
        sentences: The sentences as read.
        report: The reader's report. Changes are counted in it, and its totals become those of the yielded sentences.

    Yields:
        The sentences with only their visible characters.
    """
    for sentence in sentences:
        if _RUN.search(sentence.text) is None:
            yield sentence
            continue
        parts = list(_visible(sentence, report))
        if not parts:
            report.skip(NOTHING_BUT_BLANKS, sentence.line)
        elif sum(len(one.characters) for one in parts) < len(sentence.characters):
            report.repair(LEFT_OUT, sentence.line)
        # The reader has already counted the original sentence, so only differences are added.
        report.n_sentences += len(parts) - 1
        report.n_characters += sum(len(one.characters) for one in parts) - len(sentence.characters)
        report.n_entities += sum(len(one.entities) for one in parts) - len(sentence.entities)
        yield from parts


def _visible(sentence: Sentence, report: ReadReport) -> Iterator[Sentence]:
    entities = []
    for entity in sentence.entities:
        stretches = visible_stretches("".join(sentence.characters[entity.start : entity.end]))
        if len(stretches) != 1:
            report.skip(ENTITY_OVER_BLANK_LINE if stretches else BLANK_ENTITY, sentence.line)
            continue
        start, end = stretches[0].original_span(0, len(stretches[0].text))
        trimmed = replace(entity, start=entity.start + start, end=entity.start + end)
        if trimmed != entity:
            report.repair(BLANK_AT_EDGE, sentence.line)
        entities.append(trimmed)
    for stretch in visible_stretches(sentence.text):
        first, last = stretch.positions[0], stretch.positions[-1]
        inside = tuple(
            Span(bisect_left(stretch.positions, one.start), bisect_left(stretch.positions, one.end), one.label)
            for one in entities
            if first <= one.start and one.end <= last + 1
        )
        yield Sentence(tuple(stretch.text), inside, sentence.line)

"""Tokens of a raw file → characters, one Unicode code point each, so that training sees what raw text will be."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

from ssmi.pipeline.contract.errors import InputDataError, at_line
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.contract.text.words import WITHOUT_BLANKS
from ssmi.pipeline.readers.sentence import ReadReport, Sentence

LONG_TOKEN = "token-of-several-characters"
INSERTED_BLANK = "blank-between-words"
JOINED_WORDS = "words-without-blank"
WORD_PIECE = "word-piece"

LONGEST_WORD = 15
"""Chinese characters in one token; more are a text."""
WORDS_IN_A_TOKEN = 4
"""Parts of a token that blanks separate; more are a text."""
LONGEST_MEAN = 5.0
"""Chinese characters in a token, on the average of a file; words have less than two."""
_WRITTEN_APART = re.compile(rf"(?![{WITHOUT_BLANKS}])[^\W_]")
"""A letter or digit of a script that is written with blanks between words."""
_ENDING = frozenset(".,;:!?)")
_MARKS = frozenset("。！？；，")


class TokenCensus:
    """Sees every token of a file once and refuses those that are a text, as a tool writes them that cuts at blanks."""

    def __init__(self, path: Path | str) -> None:
        self._path = path
        self._n_tokens = self._n_chinese = 0
        self._longest = (0, 0, 0)  # Chinese characters, characters, line
        self._before = self._before_that = ""
        self.writes_blanks = False
        """Blanks between Latin words are tokens of the file themselves."""

    def add(self, token: str, line: int) -> None:
        """Look at one token; raises InputDataError with ``file:line`` for a text and for control characters."""
        if len(token) > 1:
            self._check(token, line)
        elif token in " \xa0":
            self._before_that, self._before = self._before, token
            return
        elif not token.isascii():
            self._n_tokens += 1
            self._n_chinese += 1
        if self._before and self._before in " \xa0" and _meet(self._before_that, token):
            self.writes_blanks = True
        self._before_that, self._before = self._before, token

    def add_sentence(self, text: str) -> None:
        """Look at a whole sentence of which each character is a token, and none of them a blank."""
        # Between them no blank stands, and a sentence's end is forgotten: only the counts are left to do.
        n_chinese = len(text) - len(text.encode("ascii", "ignore"))
        self._n_tokens += n_chinese
        self._n_chinese += n_chinese

    def end(self) -> None:
        """A sentence ends here."""
        self._before = self._before_that = ""

    def finish(self) -> None:
        """The file ends here; raises InputDataError when its tokens are pieces of text on the whole."""
        if self._n_chinese > LONGEST_MEAN * self._n_tokens:
            _, length, line = self._longest
            raise self._text(length, line)

    def _check(self, token: str, line: int) -> None:
        chinese = sum(is_chinese(mark) for mark in token)
        if chinese:
            self._n_tokens += 1
            self._n_chinese += chinese
            if chinese > self._longest[0]:
                self._longest = (chinese, len(token), line)
        control = next((mark for mark in token if unicodedata.category(mark) in ("Cc", "Zl", "Zp")), None)
        if control is not None:
            raise InputDataError(
                f"{at_line(self._path, line)}: token {token[:20]!r} holds a control character (U+{ord(control):04X})",
                next_step="put one character (or word) and its tag on each line, and nothing else",
            )
        parts = token.split()
        if (
            chinese > LONGEST_WORD
            or (chinese > 1 and (len(parts) > 1 or not _MARKS.isdisjoint(token)))
            or len(parts) > WORDS_IN_A_TOKEN
        ):
            raise self._text(len(token), line)

    def _text(self, length: int, line: int) -> InputDataError:
        return InputDataError(
            f"{at_line(self._path, line)}: a text of {length} characters stands where one token (a character or a "
            "word) and its tag are expected",
            next_step="tools that cut text at blanks write Chinese so: export JSON or JSON lines with offsets instead, "
            "or put one character and its tag on each line",
        )


def in_characters(
    tokens: Sequence[str],
    spans: Sequence[Span],
    *,
    line: int,
    step: int,
    report: ReadReport,
    writes_blanks: bool = False,
) -> Sentence:
    """Entities over tokens of any length → a sentence of characters, the entities over these.

    Every token of several characters is counted as a repair. Between two Latin words or numbers side by side, at least
    one of them of several characters, stands one U+0020, as in the text that they were cut from, counted too; inside an
    entity it belongs to it. ``writes_blanks``: the file has tokens for its blanks, so none is added. Words that may
    have been apart in the text and get no blank (``joins_words``) are counted. A piece of a word
    as BERT's tokenizers write it (``##er`` after ``dock``) is joined to it without its marks, counted too.

    ``line`` is where the first token stands, ``step`` how many lines further each next one does (1 or 0).
    """
    if len("".join(tokens)) == len(tokens):
        return Sentence(tuple(tokens), tuple(spans), line)
    pieces, lengths = _pieces(tokens, line=line, step=step, report=report, writes_blanks=writes_blanks)
    ends = list(accumulate(map(len, pieces), initial=0))
    # A piece may begin with an inserted blank, which belongs to an entity only when it lies inside.
    starts = [end - length for end, length in zip(ends[1:], lengths, strict=True)]
    entities = tuple(Span(starts[span.start], ends[span.end], span.label) for span in spans)
    return Sentence(tuple("".join(pieces)), entities, line)


def _pieces(
    tokens: Sequence[str], *, line: int, step: int, report: ReadReport, writes_blanks: bool
) -> tuple[list[str], list[int]]:
    """What each token adds to the text, an inserted blank first; and its length without that blank."""
    pieces: list[str] = []
    lengths: list[int] = []
    before = ""
    for index, token in enumerate(tokens):
        if token.startswith("##") and _meet(before, token[2:]):
            report.repair(WORD_PIECE, line + index * step)
            pieces.append(token[2:])
            lengths.append(len(token) - 2)
            before = token
            continue
        joined = bool(before) and not writes_blanks and _meet(before, token) and len(before) + len(token) > 2
        if joined:
            report.repair(INSERTED_BLANK, line + index * step)
        elif joins_words(before, token):
            report.repair(JOINED_WORDS, line + index * step)
        if len(token) > 1:
            report.repair(LONG_TOKEN, line + index * step)
        pieces.append(f" {token}" if joined else token)
        lengths.append(len(token))
        before = token
    return pieces, lengths


def joins_words(left: str, right: str) -> bool:
    """Whether two tokens side by side, not both of one character, are words that a text would mostly write apart.

    So are words and numbers of scripts with blanks (``MH`` and ``370``), and a word after a mark that ends one
    (``U.S.`` and ``Army``). Where no blank is written between them, that is told, for it may be wrong.
    """
    if not left or len(left) + len(right) <= 2 or _WRITTEN_APART.match(right) is None:
        return False
    return _WRITTEN_APART.match(left, len(left) - 1) is not None or (left[-1] in _ENDING and right[0].isalpha())


def is_chinese(mark: str) -> bool:
    """Whether a character is a Chinese one (Han, whatever block)."""
    return "\u3400" <= mark <= "\u9fff" or "\uf900" <= mark <= "\ufaff" or "\U00020000" <= mark <= "\U0003ffff"


def _meet(left: str, right: str) -> bool:
    """Whether a Latin word or number would run into the next one."""
    return _is_latin(left[-1:]) and _is_latin(right[:1])


def _is_latin(mark: str) -> bool:
    return mark.isalnum() and (mark.isascii() or (mark < "\u0250" and mark.isalpha()))

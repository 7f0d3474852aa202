"""Split the tokens of raw files into characters, one Unicode code point each, so that training data equals raw text."""

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
"""Maximum number of Chinese characters in a token; a token with more is a text."""
WORDS_IN_A_TOKEN = 4
"""Maximum number of parts of a token separated by blanks; a token with more is a text."""
LONGEST_MEAN = 5.0
"""Maximum mean number of Chinese characters per token of a file; words have less than two on average."""
_WRITTEN_APART = re.compile(rf"(?![{WITHOUT_BLANKS}])[^\W_]")
"""A letter or digit of a script that is written with blanks between words."""
_ENDING = frozenset(".,;:!?)")
_MARKS = frozenset("。！？；，")


class TokenCensus:
    """Examines every token of a file once, and refuses tokens that are texts, as tools that split at blanks write."""

    def __init__(self, path: Path | str) -> None:
        self._path = path
        self._n_tokens = self._n_chinese = 0
        self._longest = (0, 0, 0)  # Chinese characters, characters, line
        self._before = self._before_that = ""
        self.writes_blanks = False
        """Whether the file has tokens for the blanks between Latin words."""

    def add(self, token: str, line: int) -> None:
        """Examine a token; raises InputDataError with ``file:line`` if it is a text or contains control characters."""
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
        """Examine a whole sentence whose tokens are its characters, none of them a blank."""
        # Without blanks, and with the state reset at the end of a sentence, only the counts must be updated.
        n_chinese = len(text) - len(text.encode("ascii", "ignore"))
        self._n_tokens += n_chinese
        self._n_chinese += n_chinese

    def end(self) -> None:
        """Mark the end of a sentence."""
        self._before = self._before_that = ""

    def finish(self) -> None:
        """Mark the end of the file; raises InputDataError if its tokens are too long on average to be words."""
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
            f"{at_line(self._path, line)}: expected one token (a character or a word) and its tag, "
            f"got a text of {length} characters",
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
    """Convert tokens of any length, with entities over them, to a sentence of characters.

    The following are counted as repairs:

    * Every token of several characters.
    * A U+0020 inserted between two adjacent Latin words or numbers, at least one of them of several characters, as in
      the text that they were cut from. Inside an entity, the blank belongs to the entity.
    * Words joined without a blank that may have been separate in the text (``joins_words``).
    * Word pieces as written by BERT's tokenizers (``##er`` after ``dock``), which are joined without the ``##``.

    Args:
        tokens: The tokens of the sentence.
        spans: The entities, as spans of tokens.
        line: The line of the first token.
        step: The number of lines from each token to the next: 1 or 0.
        report: The report in which repairs are counted.
        writes_blanks: Whether the file has tokens for blanks, so that no blank is inserted.

    Returns:
        The sentence, with entities as spans of characters.
    """
    if len("".join(tokens)) == len(tokens):
        return Sentence(tuple(tokens), tuple(spans), line)
    pieces, lengths = _pieces(tokens, line=line, step=step, report=report, writes_blanks=writes_blanks)
    ends = list(accumulate(map(len, pieces), initial=0))
    # A piece may begin with an inserted blank, which belongs to an entity only if it is inside the entity.
    starts = [end - length for end, length in zip(ends[1:], lengths, strict=True)]
    entities = tuple(Span(starts[span.start], ends[span.end], span.label) for span in spans)
    return Sentence(tuple("".join(pieces)), entities, line)


def _pieces(
    tokens: Sequence[str], *, line: int, step: int, report: ReadReport, writes_blanks: bool
) -> tuple[list[str], list[int]]:
    """Return the text of each token, preceded by an inserted blank if any, and its length without that blank."""
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
    """Whether two adjacent tokens, not both of one character, are words that are usually written with a blank between.

    These are words and numbers of scripts with blanks (``MH`` and ``370``), and a word after punctuation that ends a
    word (``U.S.`` and ``Army``). Joining them without a blank is reported, because it may be wrong.
    """
    if not left or len(left) + len(right) <= 2 or _WRITTEN_APART.match(right) is None:
        return False
    return _WRITTEN_APART.match(left, len(left) - 1) is not None or (left[-1] in _ENDING and right[0].isalpha())


def is_chinese(mark: str) -> bool:
    """Whether a character is Chinese (Han, in any block)."""
    return "\u3400" <= mark <= "\u9fff" or "\uf900" <= mark <= "\ufaff" or "\U00020000" <= mark <= "\U0003ffff"


def _meet(left: str, right: str) -> bool:
    """Whether two tokens are Latin words or numbers that would run together if joined."""
    return _is_latin(left[-1:]) and _is_latin(right[:1])


def _is_latin(mark: str) -> bool:
    return mark.isalnum() and (mark.isascii() or (mark < "\u0250" and mark.isalpha()))

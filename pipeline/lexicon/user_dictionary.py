"""Strict reader of jieba user dictionaries: jieba itself takes a line that it does not understand as one long word."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssmi.pipeline.contract.errors import InputDataError, at_line
from ssmi.pipeline.contract.text.encodings import not_utf8
from ssmi.pipeline.contract.user_files import read_bytes
from ssmi.pipeline.readers.documents import HEAD_BYTES, UNPACK, NotTextError, refuse_binary
from ssmi.pipeline.readers.raw.decoding import GZIP_MAGIC

WRITE = (
    "write 'word [count] [tag]' on each line: single blanks, a whole number of at most 18 digits, a tag of a-z; "
    "no blank in a word"
)
NAMED_LINES = 20
LONGEST_WORD = 1_000
"""Characters. jieba stores every prefix of a word, and the prefixes of a word of 10 MB fill any memory."""

_MOST_DIGITS = 18
"""Suffice for any count; Python refuses to parse integers of more than 4300 digits."""
_LINE = re.compile(rf"(?P<word>\S+)(?: (?P<count>[0-9]{{1,{_MOST_DIGITS}}}))?(?: (?P<tag>[a-z]+))?")
_FIELDS = re.compile(r".+?[,，;；|、]\s*[0-9]+\s*([,，;；|、]\s*[A-Za-z]+\s*)?")
_FOUND = re.compile(r"[\u4E00-\u9FD5a-zA-Z0-9+#&._%\-]+")
"""A block of jieba's precise mode (its ``re_han_default``): a word with any other character is always cut there."""
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


@dataclass(frozen=True, slots=True)
class UserWord:
    """A line of the dictionary."""

    line: int
    word: str
    count: int | None
    tag: str | None

    @property
    def unmatchable_reason(self) -> str:
        """The reason why no text can match the word; empty if a text can."""
        if self.count == 0:
            return "count 0 tells jieba never to cut it out"
        if _FOUND.fullmatch(self.word):
            return ""
        first = next(character for character in self.word if not _FOUND.fullmatch(character))
        return f"jieba cuts at {first!r}"

    def __str__(self) -> str:
        """Format the line as jieba reads it."""
        return " ".join(str(field) for field in (self.word, self.count, self.tag) if field is not None)


def read_user_dictionary(path: Path) -> list[UserWord]:
    """Read a jieba user dictionary in UTF-8, or in UTF-16 with its byte order mark; blank lines are skipped.

    Returns:
        The lines of the dictionary, in order.

    Raises:
        MissingResourceError: The file does not exist.
        InputDataError: Lines are not ``word [count] [tag]`` or have a word of over ``LONGEST_WORD`` characters (the
            message names the first ``NAMED_LINES`` of them), or the file has another encoding.
    """
    words: list[UserWord] = []
    wrong: list[str] = []
    for number, line in enumerate(_text(path).split("\n"), start=1):
        line = line.rstrip("\r \t")
        if not line.strip():
            continue
        match = _LINE.fullmatch(line)
        why = _line_problem(line, parsed=match is not None)
        if match is not None and len(match["word"]) > LONGEST_WORD:
            why = f"a word of over {LONGEST_WORD} characters"
        if match is None or why:
            wrong.append(f"{at_line(path, number)}: {line[:40]!r}: {why}")
        else:
            count = match["count"]
            words.append(UserWord(number, match["word"], None if count is None else int(count), match["tag"]))
    if wrong:
        more = f"; and {len(wrong) - NAMED_LINES} more lines" if len(wrong) > NAMED_LINES else ""
        raise InputDataError("; ".join(wrong[:NAMED_LINES]) + more, next_step=WRITE)
    return words


def _text(path: Path) -> str:
    data = read_bytes(path, what="user dictionary", where="segment.user_dict")
    mark, encoding = next(((mark, name) for mark, name in _MARKS if data.startswith(mark)), (b"", "utf-8"))
    if data.startswith(GZIP_MAGIC):
        raise InputDataError(f"{path}: packed with gzip, not text", next_step=UNPACK)
    try:
        refuse_binary(data[:HEAD_BYTES], path)
        return data[len(mark) :].decode(encoding)
    except NotTextError as error:
        raise InputDataError(error.message, next_step=error.unpack_or(WRITE)) from error
    except UnicodeDecodeError as error:
        said = not_utf8(path, error) if encoding == "utf-8" else f"{path}: not {encoding.upper()} ({error.reason})"
        raise InputDataError(f"{said}; user dictionaries must be UTF-8", next_step="save it as UTF-8") from error


def _line_problem(line: str, *, parsed: bool) -> str:
    """Explain what is wrong with a line; empty for a valid line."""
    if parsed:
        return "its fields are not separated by blanks" if _FIELDS.fullmatch(line) else ""
    if "\t" in line:
        return "a tab, where a blank is wanted"
    if "\u3000" in line or "\xa0" in line:
        return "a full-width or no-break space, where a blank is wanted"
    if line.startswith(" ") or "  " in line:
        return "more than one blank between fields, or one before the word"
    fields = line.split(" ")
    if len(fields) == 3 and re.fullmatch(r"[a-zA-Z]+", fields[1]) and fields[2].isdigit():
        return "the tag comes before the count"
    if len(fields) == 2 and fields[0].isdigit():
        return "the count comes before the word"
    if len(fields) > 1 and fields[1].isascii() and fields[1].isdigit() and len(fields[1]) > _MOST_DIGITS:
        return f"a count of over {_MOST_DIGITS} digits"
    if len(fields) > 1 and fields[1].lstrip("-+").replace(".", "", 1).isdigit() and not fields[1].isdigit():
        return "the count is not a whole number"
    return "a blank inside the word, or a field that is neither count nor tag"


def repeated(words: Iterable[UserWord]) -> list[tuple[UserWord, int]]:
    """Return the lines whose word occurs again later, each with the last line of the word, which is the valid one."""
    last: dict[str, int] = {}
    lines = list(words)
    for one in lines:
        last[one.word] = one.line
    return [(one, last[one.word]) for one in lines if last[one.word] != one.line]


@dataclass(frozen=True, slots=True)
class LineUse:
    """How often the segmenter cut a word of the dictionary out of a data set.

    Attributes:
        line: Line number in the dictionary.
        word: The word.
        segments: Number of segments that equal the word.
        sentences: Number of sentences with such a segment.
    """

    line: int
    word: str
    segments: int
    sentences: int
    note: str
    """The reason why the word never matches, if known; otherwise empty."""


def count_uses(
    words: Sequence[UserWord],
    sentences: Iterable[Sequence[str]],
    *,
    segment: Callable[[Sequence[str]], Sequence[str]],
) -> list[LineUse]:
    """Count how often the segmenter cuts each word of the dictionary out of sentences.

    Args:
        words: The lines of the dictionary.
        sentences: The characters of each sentence.
        segment: Function from the characters of a sentence to its segments.

    Returns:
        One entry per line of the dictionary, in order.
    """
    wanted = {one.word for one in words}
    n_segments: Counter[str] = Counter()
    n_sentences: Counter[str] = Counter()
    for characters in sentences:
        used = [piece for piece in segment(characters) if piece in wanted]
        n_segments.update(used)
        n_sentences.update(set(used))
    again = {one.line: f"line {line} gives it again" for one, line in repeated(words)}
    return [
        LineUse(
            one.line, one.word, n_segments[one.word], n_sentences[one.word], again.get(one.line, one.unmatchable_reason)
        )
        for one in words
    ]

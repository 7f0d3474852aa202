"""The user's list of words that the vector file lacks, and the choice of those that join the vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ssmi.pipeline.contract.errors import InputDataError, SsmiError, at_line
from ssmi.pipeline.contract.text.encodings import wrong_byte
from ssmi.pipeline.contract.text.wording import counted
from ssmi.pipeline.contract.user_files import read_bytes, require_file
from ssmi.pipeline.features.alignment import MIN_WORDS_TO_FIT
from ssmi.pipeline.lexicon.vocabulary_builder import VocabularyBuilder

_LONGEST_LIST = 1 << 26


@dataclass(frozen=True, slots=True)
class ExtraWord:
    """A listed word and its line number."""

    word: str
    line: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A listed word that does not join the vocabulary, and the reason."""

    word: str
    line: int
    reason: str


def read_extra_words(path: Path) -> list[ExtraWord]:
    """Read a UTF-8 list with one word per line; blank lines and lines that begin with # are skipped.

    Raises:
        MissingResourceError: The file does not exist.
        InputDataError: The file is not UTF-8 (the message names the line) or too long.
    """
    require_file(path, what="list of words", where="vocab.extra_words in params.yaml")
    if path.stat().st_size > _LONGEST_LIST:
        raise InputDataError(
            f"{path}: over {_LONGEST_LIST >> 20} MiB, too long for a list of words", next_step="name another"
        )
    words = []
    # Split before decoding, so that an error can name its line.
    for line, raw in enumerate(read_bytes(path).split(b"\n"), start=1):
        try:
            word = raw.decode("utf-8").removeprefix("\ufeff").strip()
        except UnicodeDecodeError as error:
            raise InputDataError(
                f"{at_line(path, line)}: not UTF-8 ({wrong_byte(raw, error.start, error.reason)})",
                next_step="save the list as UTF-8",
            ) from error
        if word and not word.startswith("#"):
            words.append(ExtraWord(word, line))
    return words


def partition_extra_words(words: Sequence[ExtraWord], builder: VocabularyBuilder) -> tuple[list[str], list[LeftOut]]:
    """Divide the listed words into those that join the vocabulary and those that do not.

    Args:
        words: The listed words, in order.
        builder: The vocabulary so far.

    Returns:
        The words that join, in the order of the list, and the words left out: those that cannot be boundaries, already
        have a vector, or are listed twice.
    """
    joining: dict[str, None] = {}
    left_out = []
    for one in words:
        reason = builder.rejection_reason(one.word)
        if not reason and one.word in builder.words:
            reason = "has a vector"
        if not reason and one.word in joining:
            reason = "duplicate"
        if reason:
            left_out.append(LeftOut(one.word, one.line, reason))
        else:
            joining[one.word] = None
    return list(joining), left_out


def words_to_fit_on(builder: VocabularyBuilder, n: int) -> list[str]:
    """Return the vocabulary's first ``n`` words, for which both word vectors and BERT vectors exist.

    Raises:
        SsmiError: The vocabulary has too few words to fit a map on.
    """
    words = list(builder.words)[:n]
    if len(words) < MIN_WORDS_TO_FIT:
        raise SsmiError(
            f"vocab.extra_words: the vocabulary holds {counted(len(words), 'word')}; a map needs {MIN_WORDS_TO_FIT}",
            next_step="name vectors of more words, or set vocab.extra_words to null",
        )
    return words

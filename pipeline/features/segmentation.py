"""Word segmentation that tiles the sentence exactly, whatever the text holds. The only importer of jieba and rjieba."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import accumulate, islice, pairwise
from pathlib import Path

import platformdirs

from ssmi.pipeline.contract.errors import InputDataError, ParameterError, StaleArtifactError
from ssmi.pipeline.features.user_dictionary import read_user_dictionary
from ssmi.pipeline.features.windows import window_starts

Cut = Callable[[str], Iterable[str]]

LONGEST_PIECE = 2048
"""Code points given to an engine at once. On a long run of single characters jieba's time grows with the square of its
length (100,000 of them: a minute and a half); longer texts are cut behind marks, over which no engine's word reaches,
and inside a run only where it has no mark for so long."""


@lru_cache(maxsize=4)
def open_segmenter(engine: str, *, hmm: bool, user_dict: Path | None, digest: str = "") -> Cut:
    """A function text → words in precise mode, opened once a process; ``digest`` tells dictionaries of one path apart.

    Raises ParameterError for a user dictionary with an engine that cannot read it, else as ``read_user_dictionary``.
    """
    if engine == "jieba":
        return _jieba(hmm=hmm, user_dict=user_dict)
    if user_dict is not None:
        raise ParameterError(
            "segment.user_dict: the rjieba engine reads no user dictionary",
            next_step="set segment.engine to jieba or segment.user_dict to null",
        )
    return _rjieba(hmm=hmm)


def _jieba(*, hmm: bool, user_dict: Path | None) -> Cut:
    import jieba

    jieba.setLogLevel(logging.CRITICAL)  # a cache that cannot be written is an ERROR with a traceback to it
    tokenizer = jieba.Tokenizer()
    # jieba's default cache lies in the system's shared temporary folder; ours is the user's own. Without a cache it
    # reads its dictionary anew each time, a second or two.
    cache = Path(os.environ.get("SSMI_CACHE") or platformdirs.user_cache_dir("ssmi", appauthor=False)) / "jieba"
    with suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True)
    tokenizer.tmp_dir = str(cache)
    tokenizer.initialize()
    if user_dict is not None:
        lines = "\n".join(map(str, read_user_dictionary(user_dict)))
        tokenizer.load_userdict(io.BytesIO(lines.encode()))
    return lambda text: tokenizer.cut(text, HMM=hmm)


def _rjieba(*, hmm: bool) -> Cut:
    import rjieba

    engine = rjieba.Jieba()
    return lambda text: engine.cut(text, hmm)


def frequent_words(n: int, *, unless: Callable[[str], bool]) -> list[str]:
    """The ``n`` most frequent words, single characters among them, of jieba's dictionary, which is rjieba's too.

    ``unless`` leaves out what it is true of; of equal counts the lower code points come first.
    """
    return list(islice((word for word in _dictionary() if not unless(word)), n))


@lru_cache(maxsize=1)
def _dictionary() -> Sequence[str]:
    """Its words, the most frequent first."""
    import jieba

    with jieba.Tokenizer().get_dict_file() as lines:
        fields = (line.decode("utf-8").split(" ") for line in lines)
        counted = [(-int(count), word) for word, count, *_ in fields]
    return [word for _, word in sorted(counted)]


def segment_sentence(characters: Sequence[str], cut: Cut) -> tuple[list[str], list[int]]:
    """Segments of a sentence and the position of each one's first character.

    The segments tile the sentence; ``characters`` are one code point each.

    Raises InputDataError when the engine loses or changes text, which no engine should, and StaleArtifactError for
    tokens of several code points, which older versions prepared.
    """
    text = "".join(characters)
    if len(text) != len(characters):
        raise StaleArtifactError(
            f"the sentence {text[:40]!r} holds tokens of several characters: an older version prepared it",
            next_step="ssmi-cli features build --force",
        )
    words = [word for piece in _pieces(text) for word in cut(piece) if word]
    if "".join(words) != text:
        raise InputDataError(
            f"the segmenter changed the text {text[:40]!r}", next_step="report this text; use the other segment.engine"
        )
    return words, [0, *accumulate(map(len, words))][: len(words)]


def _pieces(text: str) -> list[str]:
    if len(text) <= LONGEST_PIECE:
        return [text]
    starts = window_starts(text, max_window=LONGEST_PIECE)
    return [text[start:end] for start, end in pairwise([*starts, len(text)])]


def segment_of_each(segments: Sequence[str], starts: Sequence[int], *, n_characters: int) -> list[str]:
    """The segment around each character. Length: ``n_characters``."""
    ends = [*starts, n_characters][1:]
    return [segment for segment, start, end in zip(segments, starts, ends, strict=True) for _ in range(start, end)]

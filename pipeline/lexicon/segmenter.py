"""Open the segmenters. The only module that imports jieba and rjieba."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path

from ssmi.pipeline.contract.errors import ParameterError
from ssmi.pipeline.features.text.segmentation import Cut
from ssmi.pipeline.lexicon.user_dictionary import read_user_dictionary


@lru_cache(maxsize=4)
def open_segmenter(engine: str, *, hmm: bool, user_dict: Path | None, digest: str = "") -> Cut:
    """Open a segmenter in precise mode, once per process.

    Args:
        engine: ``jieba`` or ``rjieba``.
        hmm: Whether to guess words outside its dictionary.
        user_dict: A dictionary of the user's words; jieba only.
        digest: Digest of the dictionary, to distinguish versions of the same path.

    Returns:
        A function from a text to its words.

    Raises:
        ParameterError: ``user_dict`` is given with rjieba, which reads no user dictionary.
        MissingResourceError: The dictionary does not exist.
        InputDataError: The dictionary has lines that jieba would misread.
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

    tokenizer = jieba.Tokenizer()
    # Parsed in each process, which takes 0.7 s of CPU time. jieba's own cache loads in 0.3 s, but it is marshalled data
    # in the shared temporary folder: anybody could replace it, and marshal trusts its input.
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    if user_dict is not None:
        # The strictly read lines, not the file: it may be UTF-16, and jieba takes malformed lines for long words.
        lines = "\n".join(map(str, read_user_dictionary(user_dict)))
        tokenizer.load_userdict(io.BytesIO(lines.encode()))
    return lambda text: tokenizer.cut(text, HMM=hmm)


def _rjieba(*, hmm: bool) -> Cut:
    import rjieba

    engine = rjieba.Jieba()
    return lambda text: engine.cut(text, hmm)


def open_both_segmenters(*, hmm: bool) -> tuple[Cut, Cut] | None:
    """Open jieba and rjieba without a user dictionary, to compare their segments; None if one is not installed."""
    try:
        jieba, rjieba = (open_segmenter(engine, hmm=hmm, user_dict=None) for engine in ("jieba", "rjieba"))
    except ModuleNotFoundError:
        return None
    return jieba, rjieba


def frequent_words(n: int, *, exclude: Callable[[str], bool]) -> list[str]:
    """Return the most frequent words of the dictionary of jieba and rjieba, including single characters.

    Args:
        n: The maximum number of words.
        exclude: Predicate of the words to leave out.

    Returns:
        The words, the most frequent first; words of equal counts by code points.
    """
    return list(islice((word for word in _dictionary() if not exclude(word)), n))


@lru_cache(maxsize=1)
def _dictionary() -> Sequence[str]:
    """Return the words of jieba's dictionary, the most frequent first."""
    import jieba

    with jieba.Tokenizer().get_dict_file() as lines:
        fields = (line.decode("utf-8").split(" ") for line in lines)
        counted = [(-int(count), word) for word, count, *_ in fields]
    return [word for _, word in sorted(counted)]

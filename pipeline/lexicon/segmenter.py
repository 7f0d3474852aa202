"""The segmenters, opened. The only importer of jieba and rjieba."""

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
    """Open a segmenter in precise mode, once a process.

    Args:
        engine: ``jieba`` or ``rjieba``.
        hmm: Whether words outside its dictionary are guessed.
        user_dict: A dictionary of the user's words; jieba only.
        digest: Of the dictionary, to tell versions of one path apart.

    Returns:
        A function text → words.

    Raises:
        ParameterError: rjieba reads no user dictionary.
        MissingResourceError: There is no such dictionary.
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
    # Parsed anew in each process, 0.7 s of CPU time. What jieba keeps of it instead is read in 0.3 s, but is marshalled
    # data: in its default place, the shared temporary folder, anybody could put another there, and marshal trusts it.
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    if user_dict is not None:
        # The lines as read strictly, not the file: that may be UTF-16, and jieba takes odd lines for long words.
        lines = "\n".join(map(str, read_user_dictionary(user_dict)))
        tokenizer.load_userdict(io.BytesIO(lines.encode()))
    return lambda text: tokenizer.cut(text, HMM=hmm)


def _rjieba(*, hmm: bool) -> Cut:
    import rjieba

    engine = rjieba.Jieba()
    return lambda text: engine.cut(text, hmm)


def open_both_segmenters(*, hmm: bool) -> tuple[Cut, Cut] | None:
    """Open jieba and rjieba without a user dictionary, to compare what they cut; None where one is not installed."""
    try:
        jieba, rjieba = (open_segmenter(engine, hmm=hmm, user_dict=None) for engine in ("jieba", "rjieba"))
    except ModuleNotFoundError:
        return None
    return jieba, rjieba


def frequent_words(n: int, *, unless: Callable[[str], bool]) -> list[str]:
    """The most frequent words of jieba's dictionary, which is rjieba's too; single characters are among them.

    Args:
        n: How many.
        unless: Words for which it is true are left out.

    Returns:
        The most frequent first; of equal counts the lower code points first.
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

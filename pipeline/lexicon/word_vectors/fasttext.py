"""fastText ``.bin``, read by gensim: a word's vector is the mean of its own vector and those of its character n-grams.

The only module that imports gensim. gensim holds the whole model in memory: (words + n-gram buckets) x width x 4 bytes,
and the words' part three times. The ``.vec`` file beside a ``.bin`` holds the same vectors as text and is read row by
row.
"""

from __future__ import annotations

import logging
import mmap
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.extras import needs
from ssmi.pipeline.lexicon.word_vectors.reading import ROWS_AT_ONCE, Block, VectorReader

_HEADER = struct.Struct("<2i12id")
_COUNTS = struct.Struct("<3iqq")
_SHAPE = struct.Struct("<?2q")
_NAMES = 8 + 1
"""Number of bytes after a word's terminating zero: its count and its kind."""
_LONGEST_WORD = 1 << 12
_LONGEST_NGRAM = 1 << 6
"""Characters. gensim makes every n-gram of every word, so its work grows with the lengths of words and n-grams."""
_UNDECODED = re.compile(r"(\\x[0-9a-f]{2})+")


class FastTextReader(VectorReader):
    """Reader of fastText ``.bin``. Checks the file against its counts first, because gensim trusts them.

    On a word without an end gensim would never return.
    """

    format = "fastText binary"

    def _blocks(self) -> Iterator[Block]:
        if self.file.container:
            raise InputDataError(
                f"{self.file.display_name}: a fastText .bin, packed ({self.file.container})",
                next_step="unpack it and name it",
            )
        self._check()
        with needs("vectors", f"{self.file.display_name}: a fastText .bin"):
            from gensim.models.fasttext import load_facebook_vectors  # slow to import, and only these files need it

        try:
            with _quiet("gensim", "smart_open"):
                table = load_facebook_vectors(str(self.file.path), encoding=self.encoding)
        except Exception as error:  # gensim's loader checks a damaged file by assertions only
            raise self._damaged(str(error) or type(error).__name__) from error
        words, self.width = list(table.index_to_key), int(table.vector_size)
        self.n_in_header = len(words)
        for start in range(0, len(words), ROWS_AT_ONCE):
            block = [self._word(word, row) for row, word in enumerate(words[start : start + ROWS_AT_ONCE], start + 1)]
            self.n_rows += len(block)
            yield block, np.array(table.vectors[start : start + ROWS_AT_ONCE], dtype=np.float32)

    def _word(self, word: str, row: int) -> str:
        """Replace bytes that are not text, which gensim escapes, by U+FFFD, as in every other format."""
        if "\\x" not in word:
            return word
        self.repairs["bad bytes"] += 1
        self._bad_at = self._bad_at or f"{self.file.display_name}: word {row}"
        return _UNDECODED.sub("\ufffd", word)

    def _check(self) -> None:
        # Memory-mapped, so that a large model is scanned without being loaded.
        with self.file.path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                _, version, dim, *rest = _HEADER.unpack_from(data)
                bucket, shortest, longest = rest[7:10]
                n_entries, n_words, n_labels, _, n_pruned = _COUNTS.unpack_from(data, _HEADER.size)
                if n_labels > 0:
                    raise InputDataError(
                        f"{self.file.display_name}: a fastText classifier (it has {n_labels} labels), not word vectors",
                        next_step="train or fetch an unsupervised model, or name its .vec file",
                    )
                place = _HEADER.size + _COUNTS.size
                for _ in range(n_entries):
                    end = data.find(b"\0", place, place + _LONGEST_WORD)
                    if end < 0:
                        raise self._damaged(f"no word ends after byte {place}")
                    place = end + 1 + _NAMES
                # Pruned n-grams precede the matrix; their number is negative if there are none.
                quantised, n_rows, width = _SHAPE.unpack_from(data, place + 8 * max(0, n_pruned))
            except struct.error as error:
                raise self._damaged("it ends within its words") from error
            if quantised:
                raise InputDataError(
                    f"{self.file.display_name}: a quantised fastText model (.ftz)",
                    next_step="name the .bin or the .vec of it",
                )
            if longest > _LONGEST_NGRAM:
                raise self._damaged(f"n-grams of {shortest} to {longest} characters")
            whole = version == 12 and n_entries == n_words and width == dim > 0 and n_rows == n_words + bucket
            if not whole or len(data) - place < 4 * n_rows * width:
                raise self._damaged(
                    f"{n_rows} x {width} numbers for {n_words} words and {bucket} buckets of width {dim}, "
                    f"in {len(data)} bytes"
                )

    def _damaged(self, why: str) -> InputDataError:
        return InputDataError(
            f"{self.file.display_name}: not a whole fastText model ({why})", next_step="fetch it again"
        )


@contextmanager
def _quiet(*names: str) -> Iterator[None]:
    """Keep libraries from logging a line for each word that they cannot decode."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

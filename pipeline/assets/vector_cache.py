"""Cache of word vectors, so that vectors computed for one data set need not be computed again on this machine.

There is one SQLite file per encoder and way of computing, in the cache folder. It may be deleted at any time, several
processes may use it at once, and damaged entries count as missing.
"""

from __future__ import annotations

import hashlib
import platform
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ssmi.pipeline.assets.cache import cache_root
from ssmi.pipeline.contract.storage.own_folders import make_private

FloatVector = npt.NDArray[np.float32]
FloatMatrix = npt.NDArray[np.float32]

MAX_BYTES = 1 << 30
"""Most bytes of the vectors in one file: 700 thousand vectors of width 384. The oldest are removed first."""
_SECONDS_TO_WAIT = 60.0
"""Wait for another process that is writing, which takes milliseconds."""
_WORDS_AT_ONCE = 500  # every version of SQLite takes this many values in one statement
_TABLE = """CREATE TABLE IF NOT EXISTS vectors (
    id INTEGER PRIMARY KEY, word BLOB NOT NULL UNIQUE, vector BLOB NOT NULL, digest BLOB NOT NULL)"""


class VectorCache:
    """The vectors of one encoder, computed in one way."""

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES) -> None:
        """Set up a cache without opening its file.

        Args:
            path: Path of the file, which need not exist.
            max_bytes: Most bytes of the vectors to keep in the file.
        """
        self.path = path
        self._max_bytes = max_bytes

    def find(self, words: Sequence[str]) -> Mapping[str, FloatVector]:
        """Find the words that have an intact vector in the cache: word → vector. Shape of each: (width,)."""
        if not self.path.exists():
            return {}
        found = {}
        asked = list(map(_encoded, words))
        with self._opened() as database:
            for start in range(0, len(asked), _WORDS_AT_ONCE):
                some = asked[start : start + _WORDS_AT_ONCE]
                places = ",".join("?" * len(some))
                rows = database.execute(f"SELECT word, vector, digest FROM vectors WHERE word IN ({places})", some)
                found.update(
                    {
                        word.decode("utf-8", "surrogatepass"): np.frombuffer(vector, dtype=np.float32)
                        for word, vector, digest in rows
                        if isinstance(word, bytes) and isinstance(vector, bytes) and digest == _digest(word, vector)
                    }
                )
        return found

    def add(self, words: Sequence[str], vectors: FloatMatrix) -> None:
        """Add the vectors of words, and remove the oldest if there is no room for all. Shape: (words, width)."""
        rows = [(_encoded(word), vector.tobytes()) for word, vector in zip(words, vectors, strict=True)]
        max_rows = max(1, self._max_bytes // max(1, vectors.itemsize * vectors.shape[1]))
        make_private(self.path.parent, root=self.path.parent.parent)
        with self._opened() as database, database:  # one transaction: all of it or nothing
            database.execute(_TABLE)
            database.executemany(
                "INSERT OR REPLACE INTO vectors (word, vector, digest) VALUES (?, ?, ?)",
                [(word, vector, _digest(word, vector)) for word, vector in rows],
            )
            database.execute("DELETE FROM vectors WHERE id <= (SELECT max(id) FROM vectors) - ?", (max_rows,))

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=_SECONDS_TO_WAIT)) as database:
                yield database
        except sqlite3.OperationalError:
            raise  # locked for too long, or the disk is full: the file itself may be sound
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            # The file is damaged, and the error may quote bytes that are not text: the next words start a new file.
            self.path.unlink(missing_ok=True)
            raise sqlite3.DatabaseError(str(error)) from error


def vector_cache(encoder_digest: str, encoding_version: int) -> VectorCache:
    """The cache of an encoder's vectors, as this machine and these libraries compute them.

    Args:
        encoder_digest: Digest of the encoder's files.
        encoding_version: Version of the code that computes the vector of a word.
    """
    made_with = (encoder_digest, str(encoding_version), version("torch"), version("transformers"), _processor())
    name = hashlib.sha256("\n".join(made_with).encode()).hexdigest()[:32]
    return VectorCache(cache_root() / "word-vectors" / f"{name}.sqlite")


@lru_cache(maxsize=1)
def _processor() -> str:
    """Describe the processor as far as the last bits of sums depend on it: its model and its instruction set."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return f"{platform.machine()} {platform.processor()}"
    first = {line.partition(":")[0].strip(): line for line in reversed(lines)}
    names = ("model name", "flags", "CPU implementer", "CPU part", "Features")
    return "\n".join((platform.machine(), *(first[name] for name in names if name in first)))


def _encoded(word: str) -> bytes:
    return word.encode("utf-8", "surrogatepass")


def _digest(word: bytes, vector: bytes) -> bytes:
    # Covers the word too: a vector in another word's row is intact and yet wrong.
    return hashlib.sha256(len(word).to_bytes(8, "little") + word + vector).digest()[:16]

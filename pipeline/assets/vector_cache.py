"""Vectors of words by content: what one data set has embedded no other need compute again on this machine.

One SQLite file for each encoder and way of computing, in the cache folder. It may be deleted at any time, several
processes may use it at once, and what is damaged in it counts as missing.
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
from ssmi.pipeline.contract.storage.own_folders import make_own

FloatVector = npt.NDArray[np.float32]
FloatMatrix = npt.NDArray[np.float32]

MOST_BYTES = 1 << 30
"""Of the vectors in one file: 700 thousand of an encoder of width 384. The oldest go first."""
_SECONDS_TO_WAIT = 60.0
"""For another process that is writing, which takes it milliseconds."""
_WORDS_AT_ONCE = 500  # SQLite takes so many values in one statement in all its versions
_TABLE = """CREATE TABLE IF NOT EXISTS vectors (
    id INTEGER PRIMARY KEY, word BLOB NOT NULL UNIQUE, vector BLOB NOT NULL, digest BLOB NOT NULL)"""


class VectorCache:
    """The vectors of one encoder, computed in one way."""

    def __init__(self, path: Path, *, most_bytes: int = MOST_BYTES) -> None:
        """``path``: of the file, which need not be there. ``most_bytes``: of the vectors in it."""
        self.path = path
        self._most_bytes = most_bytes

    def find(self, words: Sequence[str]) -> Mapping[str, FloatVector]:
        """Those of the words whose vectors are there and whole: word → vector, shape (width,)."""
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
        """Keep the vectors of words, (words, width); the oldest go where there are more than there is room for."""
        rows = [(_encoded(word), vector.tobytes()) for word, vector in zip(words, vectors, strict=True)]
        most_rows = max(1, self._most_bytes // max(1, vectors.itemsize * vectors.shape[1]))
        make_own(self.path.parent, root=self.path.parent.parent)
        with self._opened() as database, database:  # one transaction: all of it or nothing
            database.execute(_TABLE)
            database.executemany(
                "INSERT OR REPLACE INTO vectors (word, vector, digest) VALUES (?, ?, ?)",
                [(word, vector, _digest(word, vector)) for word, vector in rows],
            )
            database.execute("DELETE FROM vectors WHERE id <= (SELECT max(id) FROM vectors) - ?", (most_rows,))

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=_SECONDS_TO_WAIT)) as database:
                yield database
        except sqlite3.OperationalError:
            raise  # locked for too long, or the disk is full: the file itself may be sound
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            # Not a database any more, whose complaint may quote what is no text: the next words begin a new one.
            self.path.unlink(missing_ok=True)
            raise sqlite3.DatabaseError(str(error)) from error


def vector_cache(encoder_digest: str, encoding_version: int) -> VectorCache:
    """The cache of an encoder's vectors, as this machine and these libraries compute them.

    Args:
        encoder_digest: Of the encoder's files.
        encoding_version: Of the code that makes a vector of a word.
    """
    made_with = (encoder_digest, str(encoding_version), version("torch"), version("transformers"), _processor())
    name = hashlib.sha256("\n".join(made_with).encode()).hexdigest()[:32]
    return VectorCache(cache_root() / "word-vectors" / f"{name}.sqlite")


@lru_cache(maxsize=1)
def _processor() -> str:
    """The processor as far as the last bits of sums depend on it: its model, and the instructions that it knows."""
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
    # The word too: a vector in another word's row is whole and yet wrong.
    return hashlib.sha256(len(word).to_bytes(8, "little") + word + vector).digest()[:16]

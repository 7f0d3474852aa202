"""The vector cache, keyed by content: it returns exactly what was added, or nothing."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssmi.pipeline.assets.vector_cache import VectorCache, vector_cache

WIDTH = 6
Matrix = npt.NDArray[np.float32]


def _vectors(words: list[str], *, seed: int = 1) -> Matrix:
    return np.random.default_rng(seed).normal(size=(len(words), WIDTH)).astype(np.float32)


@settings(max_examples=30)
@given(
    batches=st.lists(st.lists(st.text(max_size=4), max_size=8, unique=True), max_size=5),
    requested=st.lists(st.text(max_size=4), max_size=8),
)
def test_only_the_last_added_vectors_are_found(
    batches: list[list[str]], requested: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    cache = VectorCache(tmp_path_factory.mktemp("cache") / "deeper" / "v.sqlite")
    expected: dict[str, bytes] = {}
    for seed, words in enumerate(batches):
        vectors = _vectors(words, seed=seed)
        cache.add(words, vectors)
        expected |= {word: vector.tobytes() for word, vector in zip(words, vectors, strict=True)}
    requested = [*requested, *expected]
    found = cache.find(requested)
    assert {word: vector.tobytes() for word, vector in found.items()} == expected
    assert all(vector.dtype == np.float32 and vector.shape == (WIDTH,) for vector in found.values())


def test_more_words_than_fit_in_one_statement_are_found(tmp_path: Path) -> None:
    words = [chr(0x4E00 + n) for n in range(1203)]
    cache = VectorCache(tmp_path / "v.sqlite")
    cache.add(words, _vectors(words))
    assert len(cache.find([*words, "没有"])) == 1203


@pytest.mark.parametrize("column", ["vector", "digest", "word"])
def test_a_damaged_row_is_missing_and_can_be_added_again(tmp_path: Path, column: str) -> None:
    words = ["北京", "大学"]
    cache = VectorCache(tmp_path / "v.sqlite")
    cache.add(words, _vectors(words))
    with closing(sqlite3.connect(cache.path)) as database, database:
        database.execute(f"UPDATE vectors SET {column} = ? WHERE id = 1", ("南京".encode(),))
    assert set(cache.find(["北京", "南京", "大学"])) == {"大学"}
    cache.add(["北京"], _vectors(["北京"], seed=2))
    assert cache.find(["北京"])["北京"].tobytes() == _vectors(["北京"], seed=2).tobytes()


def test_a_file_that_is_not_a_database_is_an_error_and_replaced(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path / "v.sqlite")
    cache.path.write_bytes(b"something else entirely" * 200)
    with pytest.raises(sqlite3.DatabaseError):
        cache.find(["北京"])
    assert not cache.find(["北京"])
    cache.add(["北京"], _vectors(["北京"]))
    assert set(cache.find(["北京"])) == {"北京"}


def test_a_file_with_an_undecodable_error_is_replaced(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path / "v.sqlite")
    cache.add(["北京"], _vectors(["北京"]))
    cache.path.write_bytes(cache.path.read_bytes().replace(b"CREATE TABLE vectors (", b"CREATE TABLE vectors \xed\xed"))
    with pytest.raises(sqlite3.DatabaseError):
        cache.find(["北京"])
    assert not cache.find(["北京"])


def test_a_vector_that_is_not_bytes_is_missing(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path / "v.sqlite")
    cache.add(["北京"], _vectors(["北京"]))
    with closing(sqlite3.connect(cache.path)) as database, database:
        database.execute("UPDATE vectors SET vector = 'text'")
    assert not cache.find(["北京"])


def test_no_changed_bit_gives_a_wrong_vector_or_another_error(tmp_path: Path) -> None:
    """Changing the last bit of a stored type turns bytes into text: the index then finds a word that is not bytes."""
    words = ["北京", "大学"]
    cache = VectorCache(tmp_path / "v.sqlite")
    vectors = _vectors(words)
    cache.add(words, vectors)
    content, expected = cache.path.read_bytes(), {word: row.tobytes() for word, row in zip(words, vectors, strict=True)}
    outcomes = set()
    for position in np.flatnonzero(np.frombuffer(content, np.uint8)).tolist():
        changed = bytearray(content)
        changed[position] ^= 1
        cache.path.write_bytes(changed)
        try:
            found = {word: vector.tobytes() for word, vector in cache.find(words).items()}
        except sqlite3.Error:
            outcomes.add("damaged")
            continue
        assert found.items() <= expected.items(), position
        outcomes.add(f"{len(found)} found")
    assert {"damaged", "1 found", "2 found"} <= outcomes


def test_a_deleted_file_is_an_empty_cache(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path / "v.sqlite")
    cache.add(["北京"], _vectors(["北京"]))
    cache.path.unlink()
    assert not cache.find(["北京"])


def test_the_oldest_vectors_are_removed_if_the_cache_is_full(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path / "v.sqlite", max_bytes=10 * WIDTH * 4)
    words = [chr(0x4E00 + n) for n in range(200)]
    sizes = set()
    for start in range(0, 200, 4):
        cache.add(words[start : start + 4], _vectors(words[start : start + 4]))
        sizes.add(cache.path.stat().st_size)
    assert sorted(cache.find(words)) == words[-10:]
    assert len(sizes) <= 2, "the file does not grow"


def test_concurrent_writers_lose_nothing(tmp_path: Path) -> None:
    """Threads of several processes add both shared words and words of their own."""
    script = (
        "import sys, threading, numpy as np\n"
        "from pathlib import Path\n"
        "from ssmi.pipeline.assets.vector_cache import VectorCache\n"
        "def add(name):\n"
        "    for n in range(10):\n"
        "        cache = VectorCache(Path(sys.argv[1]))\n"
        "        cache.add([f'{name}{n}', f'same{n}'], np.full((2, 3), n, dtype=np.float32))\n"
        "        assert len(cache.find([f'{name}{n}', f'same{n}'])) == 2\n"
        "threads = [threading.Thread(target=add, args=(f'{sys.argv[2]}{t}-',)) for t in range(2)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
    )
    path = tmp_path / "v.sqlite"
    commands = [[sys.executable, "-c", script, str(path), name] for name in ("a", "b", "c")]
    processes = [subprocess.Popen(command) for command in commands]
    assert [process.wait(timeout=600) for process in processes] == [0, 0, 0]
    names = [f"{process}{thread}-{n}" for process in "abc" for thread in range(2) for n in range(10)]
    found = VectorCache(path).find([*names, *(f"same{n}" for n in range(10))])
    assert len(found) == 70 and all(set(vector) == {float(name[-1])} for name, vector in found.items())


def test_each_encoder_and_encoding_version_has_its_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSMI_CACHE", str(tmp_path))
    paths = {vector_cache(digest, version).path for digest in ("a", "b") for version in (1, 2)}
    assert len(paths) == 4 and {path.parent for path in paths} == {tmp_path / "word-vectors"}
    assert vector_cache("a", 1).path in paths

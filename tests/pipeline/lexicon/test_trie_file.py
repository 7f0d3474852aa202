"""The trie file: equal words give equal bytes, and a damaged file is refused."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError
from ssmi.pipeline.features.trie import Trie
from ssmi.pipeline.lexicon.trie_file import open_trie, save_trie

SYMBOLS = "中国人aB1😀𠀀\ue000\u0301\u3000"
WORDS = st.lists(st.text(SYMBOLS, min_size=1, max_size=4), min_size=1, max_size=25, unique=True)


@given(words=WORDS, text=st.text(SYMBOLS, max_size=30))
def test_a_saved_trie_finds_the_same_words(
    tmp_path_factory: pytest.TempPathFactory, words: list[str], text: str
) -> None:
    path = tmp_path_factory.mktemp("trie") / "trie.bin"
    trie = Trie.build(words)
    save_trie(trie, path)
    first = path.read_bytes()
    assert open_trie(path).matches(text) == trie.matches(text)
    save_trie(Trie.build(words), path)
    assert path.read_bytes() == first


@pytest.mark.parametrize("damage", ["empty", "garbage", "cut", "one byte short"])
def test_a_damaged_file_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "trie.bin"
    save_trie(Trie.build(["中国", "人民"]), path)
    original = path.read_bytes()
    contents = {
        "empty": b"",
        "garbage": b"garbage" * 90,
        "cut": original[: len(original) // 2],
        "one byte short": original[:-1],
    }
    path.write_bytes(contents[damage])
    with pytest.raises(StaleArtifactError, match=r"trie\.bin") as caught:
        open_trie(path)
    assert "features vocab" in caught.value.next_step
    path.unlink()
    with pytest.raises(MissingResourceError, match=r"trie\.bin: does not exist"):
        open_trie(path)


def test_opening_is_much_faster_than_building(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    random_words = {"".join(map(chr, rng.integers(0x4E00, 0x5800, rng.integers(2, 6)))) for _ in range(60_000)}
    words = sorted(random_words)[:50_000]
    assert len(words) == 50_000
    path = tmp_path / "trie.bin"
    start = time.process_time()
    save_trie(Trie.build(words), path)
    building = time.process_time() - start
    times = []
    for _ in range(5):
        start = time.process_time()
        trie = open_trie(path)
        times.append(time.process_time() - start)
    assert min(times) < building / 10
    assert (0, len(words[-1]), 50_000) in trie.matches(words[-1])

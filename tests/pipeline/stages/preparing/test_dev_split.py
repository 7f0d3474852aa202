"""How dev is cut from train if the data set has no dev file."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.columns.sentences import sentence_columns, sentences_table
from ssmi.pipeline.stages.preparing.dev_split import KEY_BYTES, choose_dev, cut_dev, dev_key

TEXTS = st.lists(st.text("甲乙丙丁", min_size=1, max_size=3), max_size=60)


def dev_indices(texts: list[str], *, fraction: float = 0.1, seed: int = 13) -> set[int]:
    keys = np.array([dev_key(text, seed=seed) for text in texts], dtype=f"S{KEY_BYTES}")
    return set(np.flatnonzero(choose_dev(keys, fraction=fraction)).tolist())


@given(TEXTS, st.integers(0, 9), st.sampled_from([0.05, 0.1, 0.5, 0.9]))
def test_truncated_and_full_hashes_choose_the_same_texts(texts: list[str], seed: int, fraction: float) -> None:
    by_key: dict[bytes, list[int]] = {}
    for index, text in enumerate(texts):
        key = hashlib.blake2b("\t".join(text).encode(), key=str(seed).encode()).digest()
        by_key.setdefault(key, []).append(index)
    limit = max(1, round(len(texts) * fraction)) if len(by_key) > 1 else 0
    expected: set[int] = set()
    for key in sorted(by_key):
        if len(expected) + len(by_key[key]) <= limit:
            expected.update(by_key[key])
    assert dev_indices(texts, fraction=fraction, seed=seed) == expected


@given(TEXTS.filter(bool), st.integers(0, 9))
def test_equal_texts_stay_together_and_dev_is_bounded(texts: list[str], seed: int) -> None:
    dev = dev_indices(texts, seed=seed)
    dev_texts = {texts[index] for index in dev}
    assert not dev_texts & {text for index, text in enumerate(texts) if index not in dev}
    assert len(dev) <= max(1, round(len(texts) / 10))
    assert len(dev) < len(texts)


def test_the_order_of_the_file_does_not_matter() -> None:
    texts = [f"第{number}句" for number in range(200)]
    dev = {texts[index] for index in dev_indices(texts)}
    backwards = texts[::-1]
    assert {backwards[index] for index in dev_indices(backwards)} == dev
    assert len(dev) == 20
    assert {texts[index] for index in dev_indices(texts, seed=14)} != dev


def test_a_single_repeated_text_stays_in_train() -> None:
    assert dev_indices(["甲"] * 40) == set()


def tables_of(texts: list[str], *, rows: int) -> Iterator[pa.Table]:
    for start in range(0, len(texts), rows):
        part = texts[start : start + rows]
        yield sentences_table(part, lines=range(1, len(part) + 1), entities=[()] * len(part), first=start)


def test_both_splits_keep_their_order(tmp_path: Path) -> None:
    texts = [f"第{number}句" for number in range(50)]
    cut = cut_dev(tables_of(texts, rows=7), fraction=0.2, seed=13, path=tmp_path / "train.arrow")
    dev = dev_indices(texts, fraction=0.2)
    for is_dev in (True, False):
        found = [text for table in cut.tables(dev=is_dev) for text in sentence_columns(table).texts]
        assert found == [text for index, text in enumerate(texts) if (index in dev) == is_dev]


def test_no_sentences_give_two_empty_splits(tmp_path: Path) -> None:
    cut = cut_dev([], fraction=0.1, seed=13, path=tmp_path / "train.arrow")
    assert list(cut.tables(dev=True)) == list(cut.tables(dev=False)) == []


def test_memory_does_not_grow_with_the_text(tmp_path: Path) -> None:
    def peak(n: int) -> int:
        def texts() -> Iterator[pa.Table]:
            for number in range(n):
                yield from tables_of([chr(0x4E00 + number) * 20_000] * 2, rows=2)

        before = pa.total_allocated_bytes()
        tracemalloc.start()
        cut = cut_dev(texts(), fraction=0.5, seed=13, path=tmp_path / "train.arrow")
        rows = max_arrow = 0
        for table in cut.tables(dev=False):
            rows += len(table)
            max_arrow = max(max_arrow, pa.total_allocated_bytes() - before)
        assert rows == n
        python_peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return python_peak + max_arrow

    assert peak(4) * 1.5 > peak(64)

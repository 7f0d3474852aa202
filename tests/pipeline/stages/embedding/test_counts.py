"""Distinct segments with their counts, compared with a plain count of the same lists."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssmi.pipeline.assets.encoders import EncoderFolder, find_encoder
from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.progress import Silent
from ssmi.pipeline.executor import Serial
from ssmi.pipeline.features.trie import Trie
from ssmi.pipeline.features.vocabulary import Vocabulary
from ssmi.pipeline.lexicon.segmenter import frequent_words
from ssmi.pipeline.stages.embedding.counts import check_characters, distinct_segments
from ssmi.pipeline.stages.running.stage import StageContext
from tests.reporters import RecordingReporter

SEGMENT = st.text(alphabet="京大学a😀é　", min_size=1, max_size=3)
PART = st.lists(st.lists(SEGMENT, max_size=5), max_size=4)


def _vocabulary(*words: str) -> Vocabulary:
    ids = {word: index for index, word in enumerate(words, 1)}
    vectors = np.zeros((len(words) + 1, 2), dtype=np.float32)
    return Vocabulary(words, vectors, Trie.build(words), ids, {}, np.zeros(0, dtype=np.int32))


def _context(root: Path, parts: dict[str, list[list[list[str]]]]) -> StageContext:
    context = StageContext(root, "tiny", Params(), Serial(), Silent())
    for split, of_split in parts.items():
        for number, sentences in enumerate(of_split):
            rows = [
                {"sentence_id": n, "segments": segments, "segment_starts": [0] * len(segments)}
                for n, segments in enumerate(sentences)
            ]
            tables.write_rows(tables.part_path(context.folder("segment"), split, number), schema.SEGMENTS, rows)
    return context


@settings(max_examples=20)
@given(parts=st.fixed_dictionaries({split: st.lists(PART, min_size=1, max_size=3) for split in ("train", "test")}))
def test_segments_are_counted_by_split_and_sorted_by_frequency(
    parts: dict[str, list[list[list[str]]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    context = _context(tmp_path_factory.mktemp("counts"), parts)
    counts = {
        split: Counter(segment for part in parts.get(split, []) for row in part for segment in row)
        for split in tables.SPLITS
    }
    total = sum(counts.values(), Counter())
    order = sorted(total, key=lambda segment: (-total[segment], segment))
    ids = {"学": 1, "大学": 2}
    distinct = distinct_segments(context, _vocabulary("学", "大学"), context.root / "segments.parquet")
    assert (distinct.n, distinct.n_precomputed) == (len(order), 0)
    assert distinct.n_outside == len(total.keys() - ids.keys())
    assert tables.read_rows(distinct.path, schema.DISTINCT_SEGMENTS) == [
        {
            "segment_id": index,
            "segment": segment,
            "boundary_id": ids.get(segment, 0),
            **{f"n_{split}": counts[split][segment] for split in tables.SPLITS},
        }
        for index, segment in enumerate(order)
    ]


def test_the_order_of_parts_changes_nothing(tmp_path: Path) -> None:
    words = [f"{chr(0x4E00 + n)}{chr(0x4E00 + n % 7)}" for n in range(3000)]
    random.Random(1).shuffle(words)
    sentences = [words[start : start + 10] for start in range(0, 3000, 10)]
    one = _context(tmp_path / "one", {"train": [sentences[:100], sentences[100:]]})
    other = _context(tmp_path / "other", {"train": [sentences[150:], sentences[:20], sentences[20:150]]})
    paths = [tmp_path / "one.parquet", tmp_path / "other.parquet"]
    for context, path in zip((one, other), paths, strict=True):
        distinct_segments(context, _vocabulary(), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("n", [0, 1, 50])
def test_precomputed_words_are_the_most_frequent_unknown_words(tmp_path: Path, n: int) -> None:
    first = frequent_words(60, exclude=lambda word: False)
    in_dataset, vocabulary = first[:40:4], _vocabulary(*first[1:40:4])
    path = tmp_path / "segments.parquet"
    distinct = distinct_segments(_context(tmp_path, {"train": [[in_dataset]]}), vocabulary, path, n_precomputed=n)
    expected = frequent_words(n, exclude=lambda word: word in in_dataset or word in vocabulary)
    rows = tables.read_rows(path, schema.DISTINCT_SEGMENTS)
    n_segments = len(set(in_dataset))
    assert (distinct.n, distinct.n_precomputed, distinct.n_outside) == (n_segments + n, n, n_segments)
    assert [row["segment_id"] for row in rows] == list(range(n_segments + n))
    assert [row["segment"] for row in rows[n_segments:]] == expected
    assert all(not any(row[f"n_{split}"] for split in tables.SPLITS) for row in rows[n_segments:])


@pytest.fixture
def encoder(tmp_path: Path, encoder_folder: Path) -> EncoderFolder:
    return find_encoder(str(encoder_folder), revision=None, root=tmp_path, reporter=Silent())


@pytest.mark.parametrize(
    ("n_unknown", "n_known", "expected"),
    [
        (0, 10, None),
        (5, 95, None),
        (6, 94, "6% of the Chinese characters of tiny are unknown to it (龘 first)"),
        (50, 50, "50% of the Chinese characters of tiny are unknown to it (龘 first)"),
        (51, 49, "refused"),
    ],
)
def test_encoders_with_too_many_unknown_characters_are_refused(
    tmp_path: Path, encoder: EncoderFolder, n_unknown: int, n_known: int, expected: str | None
) -> None:
    # Latin letters and punctuation do not count.
    segments = ["龘x"] * n_unknown + ["一y。"] * n_known
    context = _context(tmp_path / "project", {"train": [[segments]]})
    reporter = RecordingReporter()
    context = StageContext(context.root, "tiny", context.params, context.executor, reporter)
    distinct = distinct_segments(context, _vocabulary(), tmp_path / "segments.parquet")
    if expected == "refused":
        with pytest.raises(InputDataError, match="51% of the Chinese characters of tiny are unknown to it"):
            check_characters(distinct, encoder, context)
        return
    check_characters(distinct, encoder, context)
    assert len(reporter.notes) == (expected is not None)
    assert expected is None or expected in reporter.notes[0]

"""Means over occurrences, summed from the files of the parts, compared with a plain loop over all sentences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ssmi.pipeline.contract.encoders.vocabulary import encoder_vocabulary
from ssmi.pipeline.contract.errors import SsmiError
from ssmi.pipeline.contract.parameters.params import check_params
from ssmi.pipeline.contract.parquet import schema, tables
from ssmi.pipeline.contract.progress import Silent
from ssmi.pipeline.executor import Serial
from ssmi.pipeline.features.text.tokens import CharacterTokens
from ssmi.pipeline.frozen_encoder import FrozenEncoder
from ssmi.pipeline.stages.embedding.sentences import encode_in_sentences
from ssmi.pipeline.stages.running.encoding import FloatMatrix, vectors_of_rows, words_table
from ssmi.pipeline.stages.running.stage import StageContext

SENTENCES = [["一丁", "七"], ["七", "七", "万丈"], ["三"], ["一丁", "三", "七"], ["万丈", "万丈", "万丈", "七"]]
WORDS = ["七", "一丁", "没有", "万丈"]


def _context(root: Path, encoder: Path, *, part_size: int) -> StageContext:
    params = check_params({"encoder": {"name": str(encoder)}}, source="x")
    context = StageContext(root, "tiny", params, Serial(), Silent())
    _write_split(context, "train", SENTENCES, part_size=part_size)
    return context


def _write_split(context: StageContext, split: str, segmented: list[list[str]], *, part_size: int) -> None:
    for number, start in enumerate(range(0, len(segmented), part_size)):
        rows_of_part = list(enumerate(segmented))[start : start + part_size]
        sentences = [
            {"sentence_id": n, "line": n, "characters": list("".join(row)), "entities": []} for n, row in rows_of_part
        ]
        starts = [[len("".join(row[:index])) for index in range(len(row))] for _, row in rows_of_part]
        segments = [
            {"sentence_id": n, "segments": row, "segment_starts": segment_starts}
            for (n, row), segment_starts in zip(rows_of_part, starts, strict=True)
        ]
        tables.write_rows(tables.part_path(context.folder("prepare"), split, number), schema.SENTENCES, sentences)
        tables.write_rows(tables.part_path(context.folder("segment"), split, number), schema.SEGMENTS, segments)


@pytest.mark.parametrize("part_size", [1, 2, 5])
def test_vectors_are_means_over_occurrences_for_any_part_size(
    tmp_path: Path, encoder_folder: Path, part_size: int
) -> None:
    encoder = FrozenEncoder(encoder_folder, CharacterTokens(encoder_vocabulary(encoder_folder)))
    occurrences: dict[str, list[np.ndarray]] = {word: [] for word in WORDS}
    for row in SENTENCES:
        (states,) = encoder.states([list("".join(row))])
        start = 0
        for segment in row:
            if segment in occurrences:
                occurrences[segment].append(states[start : start + len(segment)].astype(np.float64).mean(axis=0))
            start += len(segment)
    words = [words_table(WORDS[:3]), words_table(WORDS[3:], first_row=3)]
    means = encode_in_sentences(words, _context(tmp_path, encoder_folder, part_size=part_size))
    vectors = vectors_of_rows(means, 0, len(WORDS))
    for word, vector in zip(WORDS, vectors, strict=True):
        expected = np.mean(occurrences[word], axis=0) if occurrences[word] else np.zeros(32)
        np.testing.assert_allclose(vector, expected, atol=1e-6)
    rows, chunk = map(np.concatenate, zip(*means.chunks(), strict=True))
    assert [WORDS[row] for row in rows] == sorted(WORDS)
    assert chunk.tobytes() == vectors[rows].tobytes()
    assert vectors_of_rows(means, 2, 2).tobytes() == vectors[2:].tobytes()


def test_text_of_dev_and_test_does_not_change_the_vectors_of_words_in_train(
    tmp_path: Path, encoder_folder: Path
) -> None:
    words = ["七", "一丁", "五", "六"]

    def vectors(name: str, **splits: list[list[str]]) -> FloatMatrix:
        context = _context(tmp_path / name, encoder_folder, part_size=2)
        for split, segmented in splits.items():
            _write_split(context, split, segmented, part_size=1)
        return vectors_of_rows(encode_in_sentences([words_table(words)], context), 0, len(words))

    train = vectors("train")
    both = vectors("both", dev=[["七", "五"], ["六", "五"]], test=[["七", "六", "一丁"]])
    assert both[:2].tobytes() == train[:2].tobytes() and not train[2:].any()
    # Words outside train are averaged over all other splits.
    encoder = FrozenEncoder(encoder_folder, CharacterTokens(encoder_vocabulary(encoder_folder)))
    first, second, third = encoder.states([["七", "五"], ["六", "五"], ["七", "六", "一", "丁"]])
    np.testing.assert_allclose(both[2], (first[1] + second[1]) / 2, atol=1e-6)
    np.testing.assert_allclose(both[3], (second[0] + third[1]) / 2, atol=1e-6)


def test_no_words_have_no_vectors(tmp_path: Path, encoder_folder: Path) -> None:
    assert not list(encode_in_sentences([], _context(tmp_path, encoder_folder, part_size=2)).chunks())


def test_a_data_set_without_sentences_is_refused(tmp_path: Path, encoder_folder: Path) -> None:
    params = check_params({"encoder": {"name": str(encoder_folder)}}, source="x")
    with pytest.raises(SsmiError, match="there is no sentence to embed"):
        encode_in_sentences([words_table(["一"])], StageContext(tmp_path, "tiny", params, Serial(), Silent()))

"""Folds: each sentence in one fold, equal texts together, independent of order; and the splits read from folds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.model.data.folds import Fold, assign, fold_characters, read_fold, read_sides
from ssmi.model.data.shards import open_shards
from ssmi.model.data.split import RequiredFeatures
from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.parameters.params import TrainParams

EVERYTHING = RequiredFeatures(
    best=True, local=True, sets=True, segment_positions=True, hidden=True, special_states=True, matches=True
)
Make = Callable[..., Any]
texts = st.lists(st.tuples(st.text(st.sampled_from("王北京"), max_size=3).map(tuple), st.integers(0, 4)), max_size=40)
n_folds = st.integers(1, 6)


def _assign(sentences: list[tuple[tuple[str, ...], int]], n: int) -> list[int]:
    return assign([text for text, _ in sentences], [entities for _, entities in sentences], n_folds=n).tolist()


# --- assignment -------------------------------------------------------------------------------------------------------


@given(texts, n_folds)
def test_every_sentence_has_one_fold_and_equal_texts_share_it(
    sentences: list[tuple[tuple[str, ...], int]], n: int
) -> None:
    folds = _assign(sentences, n)
    assert len(folds) == len(sentences) and set(folds) <= set(range(1, n + 1))
    fold_of_text: dict[tuple[str, ...], int] = {}
    for (text, _), fold in zip(sentences, folds, strict=True):
        assert fold_of_text.setdefault(text, fold) == fold
    assert len(set(folds)) == min(n, len(fold_of_text))  # a fold is empty only if there are too few texts


@given(texts, n_folds, st.randoms(use_true_random=False))
def test_folds_do_not_depend_on_sentence_order(
    sentences: list[tuple[tuple[str, ...], int]], n: int, random: Any
) -> None:
    before = dict(zip([text for text, _ in sentences], _assign(sentences, n), strict=True))
    shuffled = random.sample(sentences, len(sentences))
    assert dict(zip([text for text, _ in shuffled], _assign(shuffled, n), strict=True)) == before


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), n_folds)
def test_folds_have_similar_sizes_and_entity_counts(entities: list[int], n: int) -> None:
    folds = _assign([((str(number),), count) for number, count in enumerate(entities)], n)
    sizes = [folds.count(fold) for fold in range(1, n + 1)]
    assert max(sizes) - min(sizes) <= 1
    entity_counts = [
        sum(count for count, assigned in zip(entities, folds, strict=True) if assigned == fold)
        for fold in range(1, n + 1)
    ]
    assert max(entity_counts) - min(entity_counts) <= 2 * max(entities)


@given(st.lists(st.integers(1, 8), min_size=1, max_size=20), n_folds)
def test_repeated_texts_keep_folds_balanced(copies: list[int], n: int) -> None:
    sentences = [((str(number),), 0) for number, n_copies in enumerate(copies) for _ in range(n_copies)]
    sizes = Counter(_assign(sentences, n))
    assert max(sizes.values()) - min(sizes[fold] for fold in range(1, n + 1)) <= max(copies)


def test_texts_are_compared_by_character_not_joined() -> None:
    first, second = assign([("ab", "c"), ("a", "bc")], [0, 0], n_folds=2).tolist()
    assert first != second
    assert assign([("\ud800",), ("\ud800",)], [0, 0], n_folds=2).tolist() == [1, 1]  # a lone surrogate has no UTF-8


def test_fold_assignment_is_stable() -> None:
    # Results on folds are comparable only between equal folds, so the assignment must not change.
    numbered_texts = [tuple(f"第{number}句") for number in range(12)]
    entities = [number % 4 for number in range(12)]
    assert assign(numbered_texts, entities, n_folds=3).tolist() == [2, 2, 2, 3, 1, 3, 3, 1, 3, 1, 1, 2]


# --- train and dev ----------------------------------------------------------------------------------------------------


@pytest.fixture
def overlapping_shards(tmp_path: Path, write_shards: Make, sentences: list[Any]) -> Path:
    """Ten sentences in train and four of them again in dev; the sets of the two splits differ in width."""
    folder: Path = write_shards(
        tmp_path / "s", {"train": sentences, "dev": sentences[:4], "test": sentences[4:]}, hidden=True
    )
    return folder


def test_train_and_dev_of_a_fold_share_no_text_and_cover_all(overlapping_shards: Path) -> None:
    opened, dev_counts = open_shards(overlapping_shards), Counter[str]()
    for number in (1, 2, 3):
        fold = Fold(number, 3)
        sides = {split: fold_characters(opened, split, fold) for split in ("train", "dev")}
        joined = {split: {"".join(text) for text in side} for split, side in sides.items()}
        assert joined["dev"] and not joined["train"] & joined["dev"]
        assert len(sides["train"]) + len(sides["dev"]) == 14
        dev_counts.update("".join(text) for text in sides["dev"])
    assert dev_counts.total() == 14 and max(dev_counts.values()) == 2


def test_fold_split_holds_the_data_of_its_sentences(overlapping_shards: Path, sentences: list[Any]) -> None:
    opened, by_text = open_shards(overlapping_shards), {sentence.text: sentence for sentence in sentences}
    ids = np.concatenate(([0], opened.boundaries.ids))
    for number in (1, 2):
        for side in ("train", "dev"):
            fold = Fold(number, 2)
            split = read_fold(opened, side, fold, boundaries=opened.boundaries, required=EVERYTHING)
            chosen = [by_text["".join(text)] for text in fold_characters(opened, side, fold)]
            places = [(sentence, place) for sentence in chosen for place in range(len(sentence.text))]
            assert [tuple(spans) for spans in split.gold] == [sentence.spans for sentence in chosen]
            assert split.lengths.tolist() == [len(sentence.text) for sentence in chosen]
            assert split.best_rows is not None and split.set_rows is not None and split.local_rows is not None
            assert ids[split.best_rows].tolist() == [sentence.best.get(place, 0) for sentence, place in places]
            assert ids[split.local_rows].tolist() == [sentence.local.get(place, 0) for sentence, place in places]
            sets = [[number for number in row if number] for row in ids[split.set_rows].tolist()]
            assert sets == [list(sentence.sets.get(place, ())) for sentence, place in places]
            windows = [
                split.window_starts[start:end].tolist()
                for start, end in zip(split.window_offsets[:-1], split.window_offsets[1:], strict=True)
            ]
            assert windows == [list(sentence.windows) for sentence in chosen]
            assert split.matches is not None
            matches = zip(split.matches.starts, split.matches.ends, ids[split.matches.rows], strict=True)
            assert list(matches) == [match for sentence in chosen for match in sentence.matches]


def test_both_sides_read_at_once_are_those_read_alone(overlapping_shards: Path) -> None:
    opened, fold = open_shards(overlapping_shards), Fold(2, 3)
    sides = read_sides(opened, fold, boundaries=opened.boundaries, required=EVERYTHING)
    assert sides.dev_characters == fold_characters(opened, "dev", fold)
    for name, side in (("train", sides.train), ("dev", sides.dev)):
        alone = read_fold(opened, name, fold, boundaries=opened.boundaries, required=EVERYTHING)
        assert side.gold == alone.gold and len(side) == len(alone) > 0
        assert side.token_ids.tobytes() == alone.token_ids.tobytes()
        assert side.set_rows is not None and alone.set_rows is not None
        assert side.set_rows.tobytes() == alone.set_rows.tobytes()


def test_stored_states_follow_their_sentences(overlapping_shards: Path) -> None:
    opened = open_shards(overlapping_shards)
    states: dict[str, bytes] = {}
    for number in (1, 2, 3):
        for side in ("dev", "train"):
            fold = Fold(number, 3)
            split = read_fold(opened, side, fold, boundaries=opened.boundaries, required=EVERYTHING)
            assert split.hidden is not None and split.special_states is not None
            counts = np.diff(split.window_offsets)
            for row, text in enumerate(fold_characters(opened, side, fold)):
                hidden = split.hidden.of(row, length=len(text))
                assert hidden.shape == (len(text), 32)
                specials = split.special_states.gather(np.array([row]), counts=counts[[row]])
                assert specials.shape == (counts[row], 2, 32)
                combined = hidden.tobytes() + specials.numpy().tobytes()
                assert states.setdefault("".join(text), combined) == combined
    assert len(states) == len(set(states.values())) == 10


def test_empty_folds_are_refused(overlapping_shards: Path) -> None:
    opened = open_shards(overlapping_shards)
    with pytest.raises(InputDataError, match="fewer than 11 different texts") as refused:
        read_fold(opened, "dev", Fold(1, 11), boundaries=opened.boundaries, required=RequiredFeatures())
    assert refused.value.next_step == "fewer folds"


def test_a_data_set_without_dev_has_folds_of_train(tmp_path: Path, write_shards: Make, sentences: list[Any]) -> None:
    opened = open_shards(write_shards(tmp_path / "s", {"train": sentences}))
    lengths = [len(fold_characters(opened, "dev", Fold(number, 5))) for number in range(1, 6)]
    assert lengths == [2] * 5


def test_fold_is_read_from_the_parameters() -> None:
    assert Fold.of(TrainParams()) is None
    assert Fold.of(TrainParams(folds=5, fold=2, test=False)) == Fold(2, 5)

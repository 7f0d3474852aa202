"""Which words are masked, and what replaces them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ssmi.model.adaptation.masking import SHARE, MaskTokens, choose_words, mask_words
from ssmi.model.data.batches import Batch, collate
from ssmi.model.data.shards import open_shards, read_split
from ssmi.model.data.split import RequiredFeatures, Split

Make = Callable[..., Any]
TOKENS = MaskTokens(mask=4, n_tokens=40)


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=60), seed=st.integers(0, 99))
def test_whole_words_up_to_the_share(sizes: list[int], seed: int) -> None:
    starts = [0, *accumulate(sizes[:-1])]
    length = sum(sizes)
    chosen = choose_words(starts, length=length, random=np.random.default_rng(seed))
    assert chosen and set(chosen) <= set(pairwise([*starts, length]))
    assert len(set(chosen)) == len(chosen)
    wanted = max(1, round(SHARE * length))
    taken = sum(end - start for start, end in chosen)
    assert taken <= wanted or (len(chosen) == 1 and min(sizes) > wanted)
    if taken < wanted:  # no other word fits in the remainder
        others = set(pairwise([*starts, length])) - set(chosen)
        assert all(end - start > wanted - taken for start, end in others)


def test_every_word_has_its_turn() -> None:
    random = np.random.default_rng(0)
    drawn = [choose_words([0, 2, 3, 6], length=8, random=random) for _ in range(400)]
    counts = {word: sum(word in one for one in drawn) for word in ((0, 2), (2, 3), (3, 6), (6, 8))}
    assert counts == {(0, 2): 0, (2, 3): 400, (3, 6): 0, (6, 8): 0}  # one of eight is masked: only one word fits
    drawn = [choose_words([0, 2, 4, 6], length=8, random=random) for _ in range(400)]
    assert all(len(one) == 1 for one in drawn)  # no word fits, so the first word drawn is taken
    counts = {word: sum(word in one for one in drawn) for word in ((0, 2), (2, 4), (4, 6), (6, 8))}
    assert all(60 < count < 140 for count in counts.values())


@pytest.fixture
def split(shards: Path) -> Split:
    opened = open_shards(shards)
    return read_split(opened, "train", boundaries=opened.boundaries, required=RequiredFeatures(segment_positions=True))


@pytest.fixture
def batch(split: Split) -> Batch:
    return collate(split, np.arange(len(split)))


def test_words_are_hidden_whole(batch: Batch) -> None:
    for seed in range(30):
        masked = mask_words(batch, tokens=TOKENS, random=np.random.default_rng(seed))
        for row, chosen in enumerate(masked.chosen.tolist()):
            length = int(batch.mask[row].sum())
            starts = [place for place in range(length) if place % 6 in (0, 1, 3)]  # segment starts in the shards
            for start, end in pairwise([*starts, length]):
                assert len(set(chosen[start:end])) == 1
            assert any(chosen) and not any(chosen[length:])


def test_only_the_chosen_places_change(batch: Batch) -> None:
    before = batch.token_ids.clone()
    masked = mask_words(batch, tokens=TOKENS, random=np.random.default_rng(1))
    assert torch.equal(batch.token_ids, before)
    assert torch.equal(masked.batch.token_ids[~masked.chosen], before[~masked.chosen])
    assert torch.equal(masked.answers, before[masked.chosen])
    assert masked.batch.mask is batch.mask and masked.batch.windows is batch.windows
    moved = masked.to(torch.device("cpu"))
    assert torch.equal(moved.chosen, masked.chosen) and torch.equal(moved.batch.token_ids, masked.batch.token_ids)


def test_eight_of_ten_become_the_mask_and_one_any_token(batch: Batch) -> None:
    random = np.random.default_rng(2)
    stand_ins, answers = [], []
    for _ in range(400):
        masked = mask_words(batch, tokens=TOKENS, random=random)
        stand_ins.append(masked.batch.token_ids[masked.chosen])
        answers.append(masked.answers)
    stood, answer = torch.cat(stand_ins), torch.cat(answers)
    assert len(stood) > 4000
    masks = float((stood == TOKENS.mask).double().mean())
    same = float((stood == answer).double().mean())
    assert masks == pytest.approx(0.8 + 0.1 / 40, abs=0.02)
    assert same == pytest.approx(0.1 + 0.1 / 40, abs=0.02)
    others = stood[(stood != TOKENS.mask) & (stood != answer)]
    assert set(others.tolist()) <= set(range(TOKENS.n_tokens))
    assert len(set(others.tolist())) > 30


def test_about_fifteen_of_a_hundred(batch: Batch) -> None:
    long = int(batch.mask.sum(dim=1).argmax())
    n_characters = int(batch.mask[long].sum())
    random = np.random.default_rng(3)
    counts = [int(mask_words(batch, tokens=TOKENS, random=random).chosen[long].sum()) for _ in range(50)]
    assert max(counts) <= round(SHARE * n_characters)
    assert np.mean(counts) == pytest.approx(SHARE * n_characters, rel=0.1)


def test_the_seed_decides(batch: Batch) -> None:
    one, two, other = (mask_words(batch, tokens=TOKENS, random=np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert torch.equal(one.batch.token_ids, two.batch.token_ids) and torch.equal(one.chosen, two.chosen)
    assert not torch.equal(one.chosen, other.chosen)

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
def test_whole_words_are_chosen_up_to_the_share(sizes: list[int], seed: int) -> None:
    starts = [0, *accumulate(sizes[:-1])]
    length = sum(sizes)
    chosen = choose_words(starts, length=length, random=np.random.default_rng(seed))
    assert chosen and set(chosen) <= set(pairwise([*starts, length]))
    assert len(set(chosen)) == len(chosen)
    target = max(1, round(SHARE * length))
    n_chosen = sum(end - start for start, end in chosen)
    assert n_chosen <= target or (len(chosen) == 1 and min(sizes) > target)
    if n_chosen < target:  # no other word fits in the remainder
        others = set(pairwise([*starts, length])) - set(chosen)
        assert all(end - start > target - n_chosen for start, end in others)


def test_every_fitting_word_can_be_chosen() -> None:
    random = np.random.default_rng(0)
    drawn = [choose_words([0, 2, 3, 6], length=8, random=random) for _ in range(400)]
    counts = {word: sum(word in words for words in drawn) for word in ((0, 2), (2, 3), (3, 6), (6, 8))}
    assert counts == {(0, 2): 0, (2, 3): 400, (3, 6): 0, (6, 8): 0}  # one of eight is masked: only one word fits
    drawn = [choose_words([0, 2, 4, 6], length=8, random=random) for _ in range(400)]
    assert all(len(words) == 1 for words in drawn)  # no word fits, so the first word drawn is taken
    counts = {word: sum(word in words for words in drawn) for word in ((0, 2), (2, 4), (4, 6), (6, 8))}
    assert all(60 < count < 140 for count in counts.values())


@pytest.fixture
def split(shards: Path) -> Split:
    opened = open_shards(shards)
    return read_split(opened, "train", boundaries=opened.boundaries, required=RequiredFeatures(segment_positions=True))


@pytest.fixture
def batch(split: Split) -> Batch:
    return collate(split, np.arange(len(split)))


def test_whole_words_are_masked(batch: Batch) -> None:
    for seed in range(30):
        masked = mask_words(batch, tokens=TOKENS, random=np.random.default_rng(seed))
        for row, chosen in enumerate(masked.chosen.tolist()):
            length = int(batch.mask[row].sum())
            starts = [place for place in range(length) if place % 6 in (0, 1, 3)]  # segment starts in the shards
            for start, end in pairwise([*starts, length]):
                assert len(set(chosen[start:end])) == 1
            assert any(chosen) and not any(chosen[length:])


def test_only_chosen_positions_change(batch: Batch) -> None:
    before = batch.token_ids.clone()
    masked = mask_words(batch, tokens=TOKENS, random=np.random.default_rng(1))
    assert torch.equal(batch.token_ids, before)
    assert torch.equal(masked.batch.token_ids[~masked.chosen], before[~masked.chosen])
    assert torch.equal(masked.answers, before[masked.chosen])
    assert masked.batch.mask is batch.mask and masked.batch.windows is batch.windows
    moved = masked.to(torch.device("cpu"))
    assert torch.equal(moved.chosen, masked.chosen) and torch.equal(moved.batch.token_ids, masked.batch.token_ids)


def test_replacements_follow_the_80_10_10_rule(batch: Batch) -> None:
    random = np.random.default_rng(2)
    replacement_batches, answers = [], []
    for _ in range(400):
        masked = mask_words(batch, tokens=TOKENS, random=random)
        replacement_batches.append(masked.batch.token_ids[masked.chosen])
        answers.append(masked.answers)
    replacements, answer = torch.cat(replacement_batches), torch.cat(answers)
    assert len(replacements) > 4000
    masks = float((replacements == TOKENS.mask).double().mean())
    same = float((replacements == answer).double().mean())
    assert masks == pytest.approx(0.8 + 0.1 / 40, abs=0.02)
    assert same == pytest.approx(0.1 + 0.1 / 40, abs=0.02)
    others = replacements[(replacements != TOKENS.mask) & (replacements != answer)]
    assert set(others.tolist()) <= set(range(TOKENS.n_tokens))
    assert len(set(others.tolist())) > 30


def test_about_fifteen_percent_of_characters_are_masked(batch: Batch) -> None:
    longest = int(batch.mask.sum(dim=1).argmax())
    n_characters = int(batch.mask[longest].sum())
    random = np.random.default_rng(3)
    counts = [int(mask_words(batch, tokens=TOKENS, random=random).chosen[longest].sum()) for _ in range(50)]
    assert max(counts) <= round(SHARE * n_characters)
    assert np.mean(counts) == pytest.approx(SHARE * n_characters, rel=0.1)


def test_masking_follows_the_seed(batch: Batch) -> None:
    one, two, other = (mask_words(batch, tokens=TOKENS, random=np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert torch.equal(one.batch.token_ids, two.batch.token_ids) and torch.equal(one.chosen, two.chosen)
    assert not torch.equal(one.chosen, other.chosen)

"""Which sentences are trained on, and which are held out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ssmi.model.adaptation.text import Text, read_text
from ssmi.model.data.shards import open_shards
from ssmi.pipeline.contract.errors import InputDataError

Make = Callable[..., Any]
CHARACTERS = "王张李刘陈在北京上海广州深圳大学工作学习"


def _random_sentences(sentence: Make, count: int) -> list[Any]:
    random = np.random.default_rng(4)
    lengths = random.integers(2, 15, size=count)
    return [sentence("".join(random.choice(list(CHARACTERS), size=length))) for length in lengths.tolist()]


@pytest.fixture
def make_text(tmp_path: Path, write_shards: Make, sentence: Make) -> Callable[..., Text]:
    def make(name: str = "s", *, seed: int = 13, **splits: Any) -> Text:
        return read_text(open_shards(write_shards(tmp_path / name, splits)), seed=seed)

    return make


def _trained_on(text: Text, *, epoch: int = 1, seed: int = 13) -> list[bytes]:
    batches = text.training_batches(batch_size=4, seed=seed, epoch=epoch)
    return [_ids(batch.split, row) for batch in batches for row in batch.rows.tolist()]


def _ids(split: Any, row: int) -> bytes:
    token_bytes: bytes = split.token_ids[split.offsets[row] : split.offsets[row + 1]].tobytes()
    return token_bytes


def _held_out(text: Text) -> list[bytes]:
    return [_ids(batch.split, row) for batch in text.held_out_batches() for row in batch.rows.tolist()]


def test_every_sentence_is_trained_on_or_held_out(make_text: Callable[..., Text], sentence: Make) -> None:
    train, dev = _random_sentences(sentence, 50), _random_sentences(sentence, 80)[50:]
    text = make_text(train=train, dev=dev, test=_random_sentences(sentence, 100)[80:])
    trained_on, held_out = _trained_on(text), _held_out(text)
    assert len(trained_on) == text.n_sentences and len(held_out) == text.n_held_out
    assert text.n_sentences + text.n_held_out == 80  # the test split is left out
    assert text.n_held_out == pytest.approx(4, abs=1)
    assert not set(trained_on) & set(held_out)
    assert text.n_characters == sum(map(len, trained_on)) // 4  # int32
    assert sorted(_trained_on(text, epoch=2)) == sorted(trained_on) != trained_on
    assert _trained_on(text, epoch=2) != trained_on == _trained_on(text)


def test_equal_sentences_stay_together(make_text: Callable[..., Text], sentence: Make) -> None:
    different = _random_sentences(sentence, 20)
    for seed in range(10):
        text = make_text(f"s{seed}", seed=seed, train=different * 3, dev=different)
        trained_on, held_out = _trained_on(text), _held_out(text)
        assert not set(trained_on) & set(held_out)
        assert len(held_out) == 4 * len(set(held_out))


def test_held_out_sentences_follow_the_seed(make_text: Callable[..., Text], sentence: Make) -> None:
    sentences = _random_sentences(sentence, 60)
    texts = [make_text(f"s{number}", seed=seed, train=sentences, dev=[]) for number, seed in enumerate((1, 1, 2))]
    held_out = [_held_out(text) for text in texts]
    assert held_out[0] == held_out[1] != held_out[2]
    assert texts[0].digest == texts[2].digest


def test_digest_depends_on_sentences_and_their_order(make_text: Callable[..., Text], sentence: Make) -> None:
    sentences = _random_sentences(sentence, 20)
    digest = make_text("a", train=sentences, dev=sentences[:3]).digest
    assert make_text("b", train=sentences, dev=sentences[:3], test=sentences).digest == digest
    assert make_text("c", train=sentences[:-1], dev=sentences[:3]).digest != digest
    assert make_text("d", train=sentences[::-1], dev=sentences[:3]).digest != digest


def test_data_set_without_dev_is_accepted(make_text: Callable[..., Text], sentence: Make) -> None:
    text = make_text(train=_random_sentences(sentence, 10), dev=[])
    assert (text.n_sentences, text.n_held_out) == (9, 1)


@pytest.mark.parametrize("count", [0, 1])
def test_too_little_text_is_refused(make_text: Callable[..., Text], sentence: Make, count: int) -> None:
    sentences = [sentence("北京大学")] * 5 * count
    with pytest.raises(InputDataError, match=f"{count} different sentences in train and dev.*more text"):
        make_text(train=sentences, dev=sentences)

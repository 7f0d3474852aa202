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


def _many(sentence: Make, count: int) -> list[Any]:
    random = np.random.default_rng(4)
    lengths = random.integers(2, 15, size=count)
    return [sentence("".join(random.choice(list(CHARACTERS), size=length))) for length in lengths.tolist()]


@pytest.fixture
def make_text(tmp_path: Path, write_shards: Make, sentence: Make) -> Callable[..., Text]:
    def make(name: str = "s", *, seed: int = 13, **splits: Any) -> Text:
        return read_text(open_shards(write_shards(tmp_path / name, splits)), seed=seed)

    return make


def _learned(text: Text, *, epoch: int = 1, seed: int = 13) -> list[bytes]:
    batches = text.training_batches(batch_size=4, seed=seed, epoch=epoch)
    return [_ids(batch.split, row) for batch in batches for row in batch.rows.tolist()]


def _ids(split: Any, row: int) -> bytes:
    found: bytes = split.token_ids[split.offsets[row] : split.offsets[row + 1]].tobytes()
    return found


def _measured(text: Text) -> list[bytes]:
    return [_ids(batch.split, row) for batch in text.held_out_batches() for row in batch.rows.tolist()]


def test_every_sentence_is_learned_from_or_measured_with(make_text: Callable[..., Text], sentence: Make) -> None:
    train, dev = _many(sentence, 50), _many(sentence, 80)[50:]
    text = make_text(train=train, dev=dev, test=_many(sentence, 100)[80:])
    learned, measured = _learned(text), _measured(text)
    assert len(learned) == text.n_sentences and len(measured) == text.n_held_out
    assert text.n_sentences + text.n_held_out == 80  # the test split is left out
    assert text.n_held_out == pytest.approx(4, abs=1)
    assert not set(learned) & set(measured)
    assert text.n_characters == sum(map(len, learned)) // 4  # int32
    assert sorted(_learned(text, epoch=2)) == sorted(learned) != learned
    assert _learned(text, epoch=2) != learned == _learned(text)


def test_equal_sentences_stay_together(make_text: Callable[..., Text], sentence: Make) -> None:
    different = _many(sentence, 20)
    for seed in range(10):
        text = make_text(f"s{seed}", seed=seed, train=different * 3, dev=different)
        learned, measured = _learned(text), _measured(text)
        assert not set(learned) & set(measured)
        assert len(measured) == 4 * len(set(measured))


def test_the_seed_draws_them(make_text: Callable[..., Text], sentence: Make) -> None:
    own = _many(sentence, 60)
    texts = [make_text(f"s{number}", seed=seed, train=own, dev=[]) for number, seed in enumerate((1, 1, 2))]
    measured = [_measured(text) for text in texts]
    assert measured[0] == measured[1] != measured[2]
    assert texts[0].digest == texts[2].digest


def test_the_digest_is_of_text_and_words(make_text: Callable[..., Text], sentence: Make) -> None:
    own = _many(sentence, 20)
    digest = make_text("a", train=own, dev=own[:3]).digest
    assert make_text("b", train=own, dev=own[:3], test=own).digest == digest
    assert make_text("c", train=own[:-1], dev=own[:3]).digest != digest
    assert make_text("d", train=own[::-1], dev=own[:3]).digest != digest


def test_a_data_set_without_dev_will_do(make_text: Callable[..., Text], sentence: Make) -> None:
    text = make_text(train=_many(sentence, 10), dev=[])
    assert (text.n_sentences, text.n_held_out) == (9, 1)


@pytest.mark.parametrize("count", [0, 1])
def test_too_little_text_is_refused(make_text: Callable[..., Text], sentence: Make, count: int) -> None:
    own = [sentence("北京大学")] * 5 * count
    with pytest.raises(InputDataError, match=f"{count} different sentences in train and dev.*more text"):
        make_text(train=own, dev=own)

"""The frozen encoder on a tiny random BERT: its bits depend on the text alone."""

from __future__ import annotations

import logging
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub.utils.tqdm import are_progress_bars_disabled
from transformers import BertModel
from transformers.utils import logging as transformers_logging

from ssmi.pipeline.contract.encoders.silence import silenced
from ssmi.pipeline.features.text.tokens import CharacterTokens
from ssmi.pipeline.features.text.windows import window_starts
from ssmi.pipeline.frozen_encoder import MAX_TOKENS, FrozenEncoder

POSITIONS = 42  # positions of the encoder made by conftest.py


@pytest.fixture(scope="module")
def tokens(encoder_folder: Path) -> CharacterTokens:
    lines = (encoder_folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    return CharacterTokens({token: number for number, token in enumerate(lines)})


@pytest.fixture(scope="module")
def wide_encoder(wide_encoder_folder: Path, tokens: CharacterTokens) -> FrozenEncoder:
    return FrozenEncoder(wide_encoder_folder, tokens)


@pytest.fixture(scope="module")
def encoder(encoder_folder: Path, tokens: CharacterTokens) -> FrozenEncoder:
    return FrozenEncoder(encoder_folder, tokens)


def _text(rng: random.Random, length: int) -> list[str]:
    return [chr(0x4E00 + rng.randrange(55)) for _ in range(length)]  # the encoder lacks the last five characters


def test_loading_prints_nothing_and_changes_no_setting_of_transformers(
    encoder_folder: Path, tokens: CharacterTokens, capfd: pytest.CaptureFixture[str]
) -> None:
    with silenced(transformers_logging):  # gives back the settings of other tests
        transformers_logging.set_verbosity_info()
        transformers_logging.enable_progress_bar()
        FrozenEncoder(encoder_folder, tokens)
        assert transformers_logging.get_verbosity() == logging.INFO
        assert transformers_logging.is_progress_bar_enabled() and not are_progress_bars_disabled()
    assert capfd.readouterr() == ("", "")


def test_sizes_come_from_the_encoder(encoder: FrozenEncoder) -> None:
    assert (encoder.width, encoder.max_window) == (32, POSITIONS - 2)


@pytest.mark.parametrize("length", [1, 2, 6, 7, 20, 40])
def test_states_are_those_of_the_last_layer_without_special_tokens(
    encoder: FrozenEncoder, encoder_folder: Path, tokens: CharacterTokens, length: int
) -> None:
    model = BertModel.from_pretrained(encoder_folder, add_pooling_layer=False).eval()
    text = _text(random.Random(length), length)
    ids = torch.tensor([[2, *tokens.ids(text), 3]])
    with torch.inference_mode():
        expected = model(input_ids=ids).last_hidden_state[0, 1:-1].numpy()
    (states,) = encoder.states([text])
    assert states.shape == (length, 32) and states.dtype == np.float32
    np.testing.assert_allclose(states, expected, atol=2e-5)


@pytest.mark.parametrize("n_others", [1, 2, 6, 7, 39])
@pytest.mark.parametrize("longest_other", [1, 9, 40])
@pytest.mark.parametrize("width", [32, 384])
def test_a_text_has_the_same_bits_in_every_batch(
    request: pytest.FixtureRequest, n_others: int, longest_other: int, width: int
) -> None:
    encoder: FrozenEncoder = request.getfixturevalue({32: "encoder", 384: "wide_encoder"}[width])
    rng = random.Random(100 * n_others + longest_other)
    for length in (1, 2, 3, 5, 6, 7, 12, 25, 40):
        text = _text(rng, length)
        others = [_text(rng, rng.randint(1, longest_other)) for _ in range(n_others)]
        others[0] = _text(rng, longest_other)
        place = rng.randrange(n_others + 1)
        (alone,) = encoder.states([text])
        in_batch = encoder.states([*others[:place], text, *others[place:]])
        assert in_batch[place].tobytes() == alone.tobytes()
        again = encoder.states([text] * 3)
        assert all(states.tobytes() == alone.tobytes() for states in again)


def test_the_number_of_threads_changes_no_bit_and_is_restored(encoder: FrozenEncoder) -> None:
    text = _text(random.Random(1), 30)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        (one,) = encoder.states([text])
        torch.set_num_threads(2)
        (two,) = encoder.states([text])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert one.tobytes() == two.tobytes()


def test_parallel_passes_give_the_same_bits(encoder_folder: Path, tokens: CharacterTokens) -> None:
    rng = random.Random(2)
    texts = [_text(rng, rng.randint(1, 40)) for _ in range(400)]  # several passes of every length
    one, three = (FrozenEncoder(encoder_folder, tokens, threads=threads) for threads in (1, 3))
    before = torch.get_num_threads()
    for alone, together in zip(one.states(texts), three.states(texts), strict=True):
        assert alone.tobytes() == together.tobytes()
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("max_window", [None, 10, 1, 1000])
def test_long_texts_are_encoded_completely_in_windows(encoder: FrozenEncoder, max_window: int | None) -> None:
    text = _text(random.Random(3), 93)
    text[7] = text[55] = "。"
    limit = min(max_window or 40, 40)
    starts = window_starts(text, max_window=limit)
    assert len(starts) > 2
    windows = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    short = _text(random.Random(4), 5)
    first, states, last = encoder.states([short, text, short], max_window=max_window)
    assert states.shape == (93, 32)
    assert states.tobytes() == np.concatenate(encoder.states(windows)).tobytes()
    assert first.tobytes() == last.tobytes()


def test_stored_states_are_float16_and_include_cls_and_sep(encoder: FrozenEncoder) -> None:
    text = _text(random.Random(3), 23)
    texts = [text, [], text[:5]]
    found = encoder.stored_states(texts, max_window=10)
    for one, states in zip(found, encoder.states(texts, max_window=10), strict=True):
        assert one.characters.dtype == one.specials.dtype == np.float16
        assert one.characters.tobytes() == states.astype(np.float16).tobytes()
    n_windows = [len(window_starts(characters, max_window=10)) for characters in texts]
    assert n_windows[0] > 2 and n_windows[1:] == [1, 1]
    assert [one.specials.shape for one in found] == [(n, 2, 32) for n in n_windows]
    starts = window_starts(text, max_window=10)
    windows = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    alone = np.concatenate([one.specials for one in encoder.stored_states(windows)])
    assert found[0].specials.tobytes() == alone.tobytes()


def test_unknown_characters_are_one_token_each(encoder: FrozenEncoder) -> None:
    known, unknown = encoder.states([["一", "丁"], ["😀", "multi-character token"]])
    assert known.shape == unknown.shape == (2, 32)
    (other_unknown,) = encoder.states([["龘", "𠀀"]])
    assert other_unknown.tobytes() == unknown.tobytes() != known.tobytes()


def test_empty_texts_and_empty_batches(encoder: FrozenEncoder) -> None:
    assert encoder.states([]) == []
    (only,) = encoder.states([[]])
    assert only.shape == (0, 32)
    text = ["一", "丁"]
    empty, full = encoder.states([[], text])
    assert empty.shape == (0, 32) and empty.dtype == np.float32
    assert full.tobytes() == encoder.states([text])[0].tobytes()


def test_several_passes_change_no_bit(encoder: FrozenEncoder) -> None:
    texts = [_text(random.Random(number), 40) for number in range(MAX_TOKENS // 40 + 20)]
    states = encoder.states(texts)
    for place in (0, MAX_TOKENS // 48 - 1, MAX_TOKENS // 48, len(texts) - 1):
        assert states[place].tobytes() == encoder.states([texts[place]])[0].tobytes()

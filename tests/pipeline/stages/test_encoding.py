"""Words through the frozen encoder in chunks that a later run takes up."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from ssmi.pipeline.contract.encoders.vocabulary import encoder_vocabulary
from ssmi.pipeline.contract.errors import MissingResourceError
from ssmi.pipeline.contract.parameters.params import check_params
from ssmi.pipeline.contract.progress import Silent
from ssmi.pipeline.executor import Serial
from ssmi.pipeline.features.alignment import Alignment
from ssmi.pipeline.features.tokens import CharacterTokens
from ssmi.pipeline.frozen_encoder import FrozenEncoder
from ssmi.pipeline.stages.encoding import (
    WORDS_PER_TASK,
    alignment_fit,
    encode_words,
    encoder_inputs,
    encoder_of,
    open_encoder,
)
from ssmi.pipeline.stages.stage import StageContext

CHARACTERS = [chr(0x4E00 + n) for n in range(50)]
WORDS = [first + second for first in CHARACTERS[:20] for second in CHARACTERS[:15]] + CHARACTERS[:9] + ["一丁七万丈"]


@pytest.fixture
def context(tmp_path: Path, encoder_folder: Path, monkeypatch: pytest.MonkeyPatch) -> StageContext:
    monkeypatch.setenv("SSMI_CACHE", str(tmp_path / "cache"))
    shutil.copytree(encoder_folder, tmp_path / "models" / "bert")
    params = check_params({"encoder": {"name": "models/bert"}}, source="x")
    return StageContext(tmp_path, "tiny", params, Serial(), Silent())


def _chunks(context: StageContext) -> list[Path]:
    return sorted((context.scratch() / "embed").glob("*.vectors"))


def test_a_word_is_the_mean_of_its_characters_states_in_the_order_that_was_asked(context: StageContext) -> None:
    assert len(WORDS) > WORDS_PER_TASK
    vectors = encode_words(WORDS, context, label="words")
    assert vectors.shape == (len(WORDS), 32) and vectors.dtype == np.float32
    folder = context.root / "models" / "bert"
    encoder = FrozenEncoder(folder, CharacterTokens(encoder_vocabulary(folder)))
    for row in (0, 1, 17, 255, 256, 300, len(WORDS) - 1):
        (states,) = encoder.states([list(WORDS[row])])
        expected = [float(np.mean([float(state[d]) for state in states])) for d in range(32)]
        np.testing.assert_allclose(vectors[row], expected, atol=1e-5)
    assert len(_chunks(context)) == 2
    assert not [path for path in (context.scratch() / "embed").iterdir() if path.suffix != ".vectors"]


def test_another_order_gives_the_same_vectors_and_computes_nothing(context: StageContext) -> None:
    vectors = encode_words(WORDS, context, label="words")
    chunks = {path: path.stat().st_mtime_ns for path in _chunks(context)}
    order = np.random.default_rng(1).permutation(len(WORDS))
    shuffled = encode_words([WORDS[n] for n in order], context, label="words")
    assert shuffled.tobytes() == vectors[order].tobytes()
    assert {path: path.stat().st_mtime_ns for path in _chunks(context)} == chunks


def test_an_interrupted_run_goes_on_where_it_stopped(context: StageContext) -> None:
    vectors = encode_words(WORDS, context, label="words")
    first, second = _chunks(context)
    second.unlink()
    os.utime(first, (1, 1))
    assert encode_words(WORDS, context, label="words").tobytes() == vectors.tobytes()
    assert first.stat().st_mtime == 1, "what was there is not computed again"
    assert _chunks(context) == [first, second]


def test_chunks_of_another_encoder_are_not_taken(context: StageContext) -> None:
    before = encode_words(CHARACTERS[:5], context, label="words")
    tokens = context.root / "models" / "bert" / "vocab.txt"
    lines = tokens.read_text(encoding="utf-8").split("\n")
    lines[4], lines[5] = lines[5], lines[4]  # 一 and 丁 change places
    tokens.write_text("\n".join(lines), encoding="utf-8")
    after = encode_words(CHARACTERS[:5], context, label="words")
    np.testing.assert_allclose(after[[1, 0, 2, 3, 4]], before, atol=1e-5)
    assert np.abs(after - before).max() > 0.01
    assert len(_chunks(context)) == 2


def test_no_words_need_no_chunk(context: StageContext) -> None:
    assert encode_words([], context, label="words").shape == (0, 0)
    assert not _chunks(context)


def test_an_encoder_is_opened_once_for_each_digest_number_of_layers_and_last_norm(context: StageContext) -> None:
    folder = context.root / "models" / "bert"
    whole = open_encoder(folder, "1")
    assert open_encoder(folder, "1") is whole
    first_layer = open_encoder(folder, "1", layers=1)
    (all_states,), (first_states,) = whole.states([["一", "丁"]]), first_layer.states([["一", "丁"]])
    assert all_states.shape == first_states.shape and np.abs(all_states - first_states).max() > 0.01
    assert open_encoder(folder, "2") is not whole
    without_norm = open_encoder(folder, "2", last_norm=False)
    assert open_encoder(folder, "2", last_norm=False) is without_norm is not open_encoder(folder, "2")


def test_the_encoder_is_an_input_by_its_name_without_its_folder(context: StageContext) -> None:
    """So that no path gets into a manifest."""
    encoder = encoder_of(context)
    assert encoder_inputs(context) == {"encoder/bert": encoder.digest}
    absolute = check_params({"encoder": {"name": str(context.root / "models" / "bert")}}, source="x")
    moved = StageContext(context.root / "elsewhere", "tiny", absolute, Serial(), Silent())
    assert encoder_inputs(moved) == encoder_inputs(context)
    config = context.root / "models" / "bert" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text("utf-8")), "note": "changed"}), encoding="utf-8")
    assert encoder_inputs(context) != {"encoder/bert": encoder.digest}


def test_a_missing_encoder_is_said_with_its_name(context: StageContext) -> None:
    params = check_params({"encoder": {"name": "./none"}}, source="x")
    with pytest.raises(MissingResourceError, match=r"encoder './none': no such folder"):
        encode_words(["一"], StageContext(context.root, "tiny", params, Serial(), Silent()), label="words")


def test_the_fit_of_a_map_is_rounded_for_manifests() -> None:
    nothing = np.zeros((1, 1))
    fit = alignment_fit(Alignment(nothing, nothing[0], nothing[0], nothing[0], 90, 10, 0.123456, -0.00004))
    assert fit.to_json() == {
        "fitted_words": 90,
        "held_out_words": 10,
        "held_out_cosine": 0.1235,
        "shuffled_cosine": 0.0,
    }

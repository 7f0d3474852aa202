"""Words are encoded in chunks; vectors of earlier words come from the cache."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssmi.pipeline.assets.vector_cache import VectorCache, vector_cache
from ssmi.pipeline.contract.encoders.vocabulary import encoder_vocabulary
from ssmi.pipeline.contract.errors import MissingResourceError
from ssmi.pipeline.contract.parameters.params import check_params
from ssmi.pipeline.contract.progress import Silent
from ssmi.pipeline.executor import Serial
from ssmi.pipeline.features.alignment import ENCODING_VERSION, Alignment, isolated_vectors
from ssmi.pipeline.features.text.tokens import CharacterTokens
from ssmi.pipeline.frozen_encoder import FrozenEncoder
from ssmi.pipeline.stages.running.encoding import (
    WORDS_PER_TASK,
    alignment_fit,
    encode_words,
    encoder_inputs,
    encoder_of,
    open_encoder,
)
from ssmi.pipeline.stages.running.stage import StageContext
from tests.reporters import RecordingReporter

CHARACTERS = [chr(0x4E00 + n) for n in range(50)]
WORDS = [first + second for first in CHARACTERS[:20] for second in CHARACTERS[:15]] + CHARACTERS[:9] + ["一丁七万丈"]


@pytest.fixture
def context(tmp_path: Path, encoder_folder: Path, monkeypatch: pytest.MonkeyPatch) -> StageContext:
    monkeypatch.setenv("SSMI_CACHE", str(tmp_path / "cache"))
    shutil.copytree(encoder_folder, tmp_path / "models" / "bert")
    params = check_params({"encoder": {"name": "models/bert"}}, source="x")
    return StageContext(tmp_path, "tiny", params, Serial(), Silent())


def _cache(context: StageContext) -> VectorCache:
    return vector_cache(encoder_of(context).digest, ENCODING_VERSION)


def _chunks(context: StageContext) -> list[Path]:
    return sorted((context.scratch() / "words").glob("*.npy"))


def test_vectors_are_means_of_character_states_in_the_requested_order(context: StageContext) -> None:
    assert len(WORDS) > WORDS_PER_TASK
    vectors = encode_words(WORDS, context, label="words")
    assert vectors.shape == (len(WORDS), 32) and vectors.dtype == np.float32
    folder = context.root / "models" / "bert"
    encoder = FrozenEncoder(folder, CharacterTokens(encoder_vocabulary(folder)))
    for row in (0, 1, 17, 255, 256, 300, len(WORDS) - 1):
        (states,) = encoder.states([list(WORDS[row])])
        expected = [float(np.mean([float(state[d]) for state in states])) for d in range(32)]
        np.testing.assert_allclose(vectors[row], expected, atol=1e-5)
    assert [np.load(path).shape for path in _chunks(context)] == [(WORDS_PER_TASK, 32), (len(WORDS) - 256, 32)]
    assert not list(context.scratch().rglob("*.tmp"))


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(known=st.sets(st.sampled_from(WORDS), max_size=40), seed=st.integers(0, 99))
def test_cached_words_do_not_change_a_bit(
    context: StageContext, known: set[str], seed: int, uncached: dict[str, bytes]
) -> None:
    """Cached words were computed in chunks other than those that would compute them in this call."""
    _cache(context).path.unlink(missing_ok=True)
    encode_words(sorted(known), context, label="others")
    order = np.random.default_rng(seed).permutation(len(WORDS))[:60]
    requested = [WORDS[n] for n in order]
    vectors = encode_words(requested, context, label="words")
    assert [vector.tobytes() for vector in vectors] == [uncached[word] for word in requested]


@pytest.fixture
def uncached(context: StageContext) -> dict[str, bytes]:
    """Each word's vector, computed with the word alone."""
    folder = context.root / "models" / "bert"
    encoder = FrozenEncoder(folder, CharacterTokens(encoder_vocabulary(folder)))
    return {word: isolated_vectors([word], encoder.states)[0].tobytes() for word in WORDS}


def test_another_data_set_computes_only_its_new_words(context: StageContext) -> None:
    reporter = RecordingReporter()
    encode_words(WORDS[:100], context, label="words")
    encoder = context.root / "models" / "bert"
    elsewhere = context.root / "elsewhere"
    shutil.copytree(encoder, elsewhere / "models" / "bert")

    other = replace(context, root=elsewhere, dataset="other", reporter=reporter)
    encode_words(WORDS[90:120], other, label="words")
    assert reporter.notes == ["words: 20 of 30 words computed, the others were cached"]


def test_vectors_of_another_encoder_are_not_used(context: StageContext) -> None:
    before = encode_words(CHARACTERS[:5], context, label="words")
    tokens = context.root / "models" / "bert" / "vocab.txt"
    lines = tokens.read_text(encoding="utf-8").split("\n")
    lines[4], lines[5] = lines[5], lines[4]  # swaps 一 and 丁
    tokens.write_text("\n".join(lines), encoding="utf-8")
    after = encode_words(CHARACTERS[:5], context, label="words")
    np.testing.assert_allclose(after[[1, 0, 2, 3, 4]], before, atol=1e-5)
    assert np.abs(after - before).max() > 0.01


def test_an_unusable_cache_is_reported_and_replaced(context: StageContext) -> None:
    expected = encode_words(WORDS[:30], context, label="words")
    path = _cache(context).path
    path.write_bytes(b"no database" * 1000)
    reporter = RecordingReporter()
    vectors = encode_words(WORDS[:30], replace(context, reporter=reporter), label="words")
    assert vectors.tobytes() == expected.tobytes()
    (note,) = reporter.notes
    assert note.startswith("words: the cache of word vectors is not used: ") and "not a database" in note
    assert len(_cache(context).find(WORDS[:30])) == 30, "a new cache is started"


def test_no_words_write_no_chunk(context: StageContext) -> None:
    assert encode_words([], context, label="words").shape == (0, 0)
    assert not _chunks(context)


def test_an_encoder_is_opened_once_per_digest_layers_and_norm(context: StageContext) -> None:
    folder = context.root / "models" / "bert"
    all_layers = open_encoder(folder, "1")
    assert open_encoder(folder, "1") is all_layers
    first_layer = open_encoder(folder, "1", layers=1)
    (all_states,), (first_states,) = all_layers.states([["一", "丁"]]), first_layer.states([["一", "丁"]])
    assert all_states.shape == first_states.shape and np.abs(all_states - first_states).max() > 0.01
    assert open_encoder(folder, "2") is not all_layers
    without_norm = open_encoder(folder, "2", last_norm=False)
    assert open_encoder(folder, "2", last_norm=False) is without_norm is not open_encoder(folder, "2")


def test_the_encoder_input_is_named_without_its_folder(context: StageContext) -> None:
    """This keeps paths out of manifests."""
    encoder = encoder_of(context)
    assert encoder_inputs(context) == {"encoder/bert": encoder.digest}
    absolute = check_params({"encoder": {"name": str(context.root / "models" / "bert")}}, source="x")
    moved = StageContext(context.root / "elsewhere", "tiny", absolute, Serial(), Silent())
    assert encoder_inputs(moved) == encoder_inputs(context)
    config = context.root / "models" / "bert" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text("utf-8")), "note": "changed"}), encoding="utf-8")
    assert encoder_inputs(context) != {"encoder/bert": encoder.digest}


def test_a_missing_encoder_is_named(context: StageContext) -> None:
    params = check_params({"encoder": {"name": "./none"}}, source="x")
    with pytest.raises(MissingResourceError, match=r"encoder './none': no such folder"):
        encode_words(["一"], StageContext(context.root, "tiny", params, Serial(), Silent()), label="words")


def test_the_fit_of_an_alignment_is_rounded_in_manifests() -> None:
    zeros = np.zeros((1, 1))
    fit = alignment_fit(Alignment(zeros, zeros[0], zeros[0], zeros[0], 90, 10, 0.123456, -0.00004))
    assert fit.to_json() == {
        "fitted_words": 90,
        "held_out_words": 10,
        "held_out_cosine": 0.1235,
        "shuffled_cosine": 0.0,
    }

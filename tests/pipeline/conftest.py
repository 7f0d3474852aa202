"""Fixtures for the pipeline tests: a random generator, saved vocabularies, and tiny random BERTs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from ssmi.pipeline.features.vocabulary import FloatMatrix, Vocabulary
from ssmi.pipeline.lexicon.vocabulary_builder import VocabularyBuilder
from ssmi.pipeline.lexicon.vocabulary_files import open_vocabulary

MakeVocabulary = Callable[[Sequence[str], FloatMatrix], Vocabulary]

ENCODER_CHARACTERS = [chr(0x4E00 + index) for index in range(50)]
ENCODER_VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *ENCODER_CHARACTERS]
ENCODER_POSITIONS = 42


@pytest.fixture(scope="session")
def lfs_pointer() -> bytes:
    """What a clone without Git LFS holds in place of a large file."""
    return b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"


@pytest.fixture(scope="session")
def make_vocabulary(tmp_path_factory: pytest.TempPathFactory) -> MakeVocabulary:
    """A function from words and vectors to the vocabulary, saved and opened again."""
    numbers = itertools.count()

    def make(words: Sequence[str], matrix: FloatMatrix) -> Vocabulary:
        folder = tmp_path_factory.mktemp("vocabulary")
        with VocabularyBuilder(folder, min_word_len=2, max_word_len=10) as builder:
            builder.add_over_limit(words, matrix)
            builder.finish()
        return open_vocabulary(folder, digest=str(next(numbers)))

    return make


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT with two layers."""
    return _save_bert(tmp_path_factory.mktemp("encoder"), width=32, layers=2, heads=4)


@pytest.fixture(scope="session")
def wide_encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One layer as wide as in a real encoder, where small and large matrices use different kernels."""
    return _save_bert(tmp_path_factory.mktemp("wide_encoder"), width=384, layers=1, heads=12)


def _save_bert(folder: Path, *, width: int, layers: int, heads: int) -> Path:
    config = BertConfig(
        vocab_size=len(ENCODER_VOCABULARY),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        max_position_embeddings=ENCODER_POSITIONS,
    )
    model = BertModel(config, add_pooling_layer=False)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.3, generator=generator)  # large enough for every input to matter
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(ENCODER_VOCABULARY) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)

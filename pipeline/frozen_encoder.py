"""A frozen encoder for features: characters → states. The only module of the pipeline that imports transformers."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import transformers
from safetensors import SafetensorError
from transformers.utils import logging as transformers_logging

from ssmi.pipeline.contract.encoders.silence import silenced
from ssmi.pipeline.contract.encoders.types import (
    SPECIAL_TOKENS,
    TYPES,
    check_loaded,
    encoder_shape,
    read_config,
    type_of,
    unusable_weights,
    with_layers,
)
from ssmi.pipeline.contract.encoders.vocabulary import CLS, PAD, SEP
from ssmi.pipeline.contract.parquet.feature_rows import EncoderStates
from ssmi.pipeline.features.text.tokens import CharacterTokens
from ssmi.pipeline.features.text.windows import window_starts

FloatMatrix = npt.NDArray[np.float32]

MIN_TOKENS = 16
LENGTH_STEP = 8
SHORT = 6
"""Sizes in tokens that make a text's vector independent of its batch, to the last bit.

Matrix kernels round differently for very few tokens and for different lengths. Batches of fewer than ``MIN_TOKENS`` are
therefore filled with blank rows (measured: from 16 tokens on, every batch gives the same vectors), and a window is
padded to a multiple of ``LENGTH_STEP`` that depends on its own length alone, never to the longest window of its batch.

Nearly all segments have up to ``SHORT`` tokens and are padded to that length. Padding to 8 took half as long again, and
without padding a sentence with three new segments would need three passes of 20 ms each.
"""

MAX_TOKENS = 1 << 9
"""Most tokens in one pass: enough for the matrix kernels (more were no faster), few enough that every thread gets an
even share and that a hundred thousand characters in one call take no more memory than a batch of sentences."""


class FrozenEncoder:
    """An encoder in float32 without dropout or gradients.

    One CPU thread computes each pass, so that states do not depend on the number of threads, to the last bit.

    Attributes:
        width: Size of a state.
        max_window: Most characters that the encoder takes at once.

    """

    def __init__(
        self,
        folder: Path,
        tokens: CharacterTokens,
        *,
        layers: int | None = None,
        last_norm: bool = True,
        threads: int = 1,
    ) -> None:
        """Load the encoder.

        Args:
            folder: The encoder's folder.
            tokens: Maps characters to token ids.
            layers: Number of first layers to load, the last of which outputs the states; None loads all.
            last_norm: Whether to apply the norm that some types have after their last layer. Without it, the states
                are what a next layer would read.
            threads: Number of passes to compute in parallel.

        Raises:
            MissingResourceError: The folder has no weights.
            StaleArtifactError: The weights do not match config.json.
        """
        shape = encoder_shape(folder)
        with silenced(transformers_logging):
            self._model = _load(folder, layers=layers).eval()
        norm = TYPES[shape.type].last_norm
        if norm and not last_norm:
            setattr(self._model, norm, torch.nn.Identity())
        self._tokens = tokens
        self._threads = threads
        self.width = shape.width
        self.max_window = shape.max_window

    def states(self, texts: Sequence[Sequence[str]], *, max_window: int | None = None) -> list[FloatMatrix]:
        """Encode the characters of each text, without [CLS] and [SEP]. Shape of each: (characters, width).

        Texts longer than ``max_window`` are encoded in windows.
        """
        return [
            np.concatenate([states[1:-1] for states in windows])
            for windows in self._windows_of(texts, max_window=max_window)
        ]

    def stored_states(self, texts: Sequence[Sequence[str]], *, max_window: int | None = None) -> list[EncoderStates]:
        """Encode texts as ``states`` does, in float16 and with the states of each window's [CLS] and [SEP]."""
        return [
            EncoderStates(
                np.concatenate([states[1:-1] for states in windows]).astype(np.float16),
                np.stack([states[[0, -1]] for states in windows]).astype(np.float16),
            )
            for windows in self._windows_of(texts, max_window=max_window)
        ]

    def _windows_of(self, texts: Sequence[Sequence[str]], *, max_window: int | None) -> list[list[FloatMatrix]]:
        """States of each text's windows, [CLS] first and [SEP] last. Shape of each: (characters + 2, width)."""
        limit = min(max_window or self.max_window, self.max_window)
        windows: list[Sequence[str]] = []
        owners: list[int] = []
        for owner, characters in enumerate(texts):
            starts = window_starts(characters, max_window=limit)
            for start, end in zip(starts, [*starts[1:], len(characters)], strict=True):
                windows.append(characters[start:end])
                owners.append(owner)
        pieces: list[list[FloatMatrix]] = [[] for _ in texts]
        for owner, states in zip(owners, self._encode(windows), strict=True):
            pieces[owner].append(states)
        return pieces

    def _encode(self, windows: Sequence[Sequence[str]]) -> list[FloatMatrix]:
        vocabulary = self._tokens.vocabulary
        rows = [[vocabulary[CLS], *self._tokens.ids(window), vocabulary[SEP]] for window in windows]
        of_length: dict[int, list[int]] = {}
        for index, row in enumerate(rows):
            # Padding may not go beyond the positions that the encoder has.
            of_length.setdefault(min(_padded(len(row)), self.max_window + SPECIAL_TOKENS), []).append(index)
        passes = [
            (length, indices[start : start + step])
            for length, indices in of_length.items()
            for step in (max(1, MAX_TOKENS // length),)
            for start in range(0, len(indices), step)
        ]
        states: list[FloatMatrix] = [np.empty((0, self.width), dtype=np.float32)] * len(rows)

        def compute(length: int, indices: Sequence[int]) -> None:
            matrices = self._encode_rows([rows[index] for index in indices], length=length)
            for index, matrix in zip(indices, matrices, strict=True):
                states[index] = matrix

        # Kernels split sums by thread, so more threads in one pass would change bits; passes run in parallel instead.
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            if self._threads == 1 or len(passes) == 1:
                for one in passes:
                    compute(*one)
            else:
                with ThreadPoolExecutor(self._threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                    # As a list, because map raises the error of a pass only when its result is consumed.
                    list(pool.map(lambda one: compute(*one), passes))
        finally:
            torch.set_num_threads(before)
        return states

    def _encode_rows(self, rows: Sequence[Sequence[int]], *, length: int) -> list[FloatMatrix]:
        """States of rows of token ids, all padded to ``length``."""
        # Blank rows up to MIN_TOKENS; each still attends to its first token, since softmax over nothing is NaN.
        pad = self._tokens.vocabulary[PAD]
        filled = [*rows, *[[pad]] * (-(-MIN_TOKENS // length) - len(rows))]
        ids = torch.tensor([[*row, *[pad] * (length - len(row))] for row in filled])
        mask = (torch.arange(length) < torch.tensor([len(row) for row in filled])[:, None]).long()
        with torch.inference_mode():
            output = self._model(input_ids=ids, attention_mask=mask).last_hidden_state.numpy()
        # Copies, because a view would keep the whole pass in memory, with blank rows and padding.
        return [output[index, : len(row)].copy() for index, row in enumerate(rows)]


def _padded(n_tokens: int) -> int:
    return SHORT if n_tokens <= SHORT else -(-n_tokens // LENGTH_STEP) * LENGTH_STEP


def _load(folder: Path, *, layers: int | None) -> Any:
    """Load the model of the folder's type, with exactly the weights that it needs.

    Raises:
        MissingResourceError: The folder has no weights.
        StaleArtifactError: The weights do not match config.json.
    """
    body = read_config(folder)
    kind = type_of(body)
    model_class = getattr(transformers, kind.model_class)  # imports the model's module
    try:
        model, info = model_class.from_pretrained(
            folder,
            config=model_class.config_class.from_dict(body if layers is None else with_layers(body, layers)),
            dtype=torch.float32,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            **kind.model_arguments,
        )
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise unusable_weights(folder, error) from error
    check_loaded(folder, info, layers=layers)
    return model

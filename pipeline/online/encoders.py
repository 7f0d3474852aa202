"""The frozen encoder on line, opened when it is first needed: whole for new segments, cut for the network's input."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ssmi.pipeline.contract.encoders.types import encoder_shape
from ssmi.pipeline.features.tokens import CharacterTokens
from ssmi.pipeline.features.vocabulary import FloatMatrix

if TYPE_CHECKING:
    from ssmi.pipeline.frozen_encoder import FrozenEncoder

SENTENCES_AT_ONCE = 32


class OnlineEncoders:
    """One encoder folder, opened with all layers and with those whose states the shards hold."""

    def __init__(self, folder: Path, tokens: CharacterTokens, *, hidden_layers: int | None, max_window: int) -> None:
        """Open nothing yet.

        Args:
            folder: The encoder.
            tokens: Its vocabulary.
            hidden_layers: How many layers ``hidden_states`` runs; None where the shards hold no states.
            max_window: The most characters that ``hidden_states`` encodes at once.
        """
        self._folder = folder
        self._tokens = tokens
        self._hidden_layers = hidden_layers
        self._max_window = max_window

    @cached_property
    def whole(self) -> FrozenEncoder:
        """The encoder with all its layers."""
        return self._open(layers=None)

    @cached_property
    def _first_layers(self) -> FrozenEncoder:
        if self._hidden_layers == encoder_shape(self._folder).n_layers:
            return self.whole
        return self._open(layers=self._hidden_layers)

    def hidden_states(self, sentences: Sequence[Sequence[str]]) -> list[npt.NDArray[np.float16]]:
        """States as ``part-*.hidden.npy`` holds them. Shape of each: (characters, width)."""
        states: list[npt.NDArray[np.float16]] = []
        for start in range(0, len(sentences), SENTENCES_AT_ONCE):
            batch: list[FloatMatrix] = self._first_layers.states(
                sentences[start : start + SENTENCES_AT_ONCE], max_window=self._max_window
            )
            states += [matrix.astype(np.float16) for matrix in batch]
        return states

    def _open(self, *, layers: int | None) -> FrozenEncoder:
        import torch  # slow to import, and most texts need no encoder

        from ssmi.pipeline.frozen_encoder import FrozenEncoder

        return FrozenEncoder(self._folder, self._tokens, layers=layers, threads=torch.get_num_threads())

"""The frozen encoder online, opened on first use: whole for new segments, its first layers for the network's input."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ssmi.pipeline.contract.encoders.types import encoder_shape
from ssmi.pipeline.contract.parquet.feature_rows import EncoderStates
from ssmi.pipeline.features.text.tokens import CharacterTokens

if TYPE_CHECKING:
    from ssmi.pipeline.frozen_encoder import FrozenEncoder

SENTENCES_AT_ONCE = 32


class OnlineEncoders:
    """The encoder of one folder, opened with all layers and with only those that made the states in the shards."""

    def __init__(
        self,
        folder: Path,
        tokens: CharacterTokens,
        *,
        hidden_layers: int | None,
        max_window: int,
        hidden_norm: bool = True,
    ) -> None:
        """Remember the settings; the encoder is opened on first use.

        Args:
            folder: The encoder's folder.
            tokens: The encoder's map from characters to token ids.
            hidden_layers: Number of layers that ``hidden_states`` runs; None if the shards hold no states.
            max_window: The maximum number of characters that ``hidden_states`` encodes at once.
            hidden_norm: Whether ``hidden_states`` applies a norm after the encoder's last layer.
        """
        self._folder = folder
        self._tokens = tokens
        self._hidden_layers = hidden_layers
        self._max_window = max_window
        self._hidden_norm = hidden_norm

    @cached_property
    def whole(self) -> FrozenEncoder:
        """The encoder with all its layers."""
        return self._open(layers=None)

    @cached_property
    def _first_layers(self) -> FrozenEncoder:
        # The same model; opening it again would double its memory.
        if self._hidden_norm and self._hidden_layers == encoder_shape(self._folder).n_layers:
            return self.whole
        return self._open(layers=self._hidden_layers, last_norm=self._hidden_norm)

    def hidden_states(self, sentences: Sequence[Sequence[str]]) -> list[EncoderStates]:
        """Return the states of each sentence in the form that the shards store."""
        states: list[EncoderStates] = []
        for start in range(0, len(sentences), SENTENCES_AT_ONCE):
            batch = sentences[start : start + SENTENCES_AT_ONCE]
            states += self._first_layers.stored_states(batch, max_window=self._max_window)
        return states

    def _open(self, *, layers: int | None, last_norm: bool = True) -> FrozenEncoder:
        import torch  # slow to import, and most texts need no encoder

        from ssmi.pipeline.frozen_encoder import FrozenEncoder

        # Each pass uses one thread, so as many passes run in parallel as torch may use threads.
        return FrozenEncoder(
            self._folder, self._tokens, layers=layers, last_norm=last_norm, threads=torch.get_num_threads()
        )

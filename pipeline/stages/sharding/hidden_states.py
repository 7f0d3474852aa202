"""The frozen encoder's states for a part of the shards, stored in arrays beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ssmi.pipeline.contract.storage import replacing

if TYPE_CHECKING:
    from ssmi.pipeline.frozen_encoder import FrozenEncoder

SENTENCES_PER_ENCODER_BATCH = 32


def write_hidden(
    target: Path, sentences: Sequence[str], encoder: FrozenEncoder, *, max_window: int, n_windows: int
) -> None:
    """Write a part's states beside it, in the order of its rows and in float16.

    ``part-*.hidden.npy`` holds one row per character, ``part-*.specials.npy`` [CLS] and [SEP] of each window.

    Args:
        target: File of the part.
        sentences: Texts of the part's sentences.
        encoder: Computes the states.
        max_window: Most characters that are encoded at once.
        n_windows: Number of windows of all sentences.

    """
    n_characters = sum(map(len, sentences))
    with (
        _writing(target, "hidden", (n_characters, encoder.width)) as characters,
        _writing(target, "specials", (n_windows, 2, encoder.width)) as specials,
    ):
        first = window = 0
        for start in range(0, len(sentences), SENTENCES_PER_ENCODER_BATCH):
            batch = sentences[start : start + SENTENCES_PER_ENCODER_BATCH]
            for states in encoder.stored_states(batch, max_window=max_window):
                characters[first : first + len(states.characters)] = states.characters
                specials[window : window + len(states.specials)] = states.specials
                first, window = first + len(states.characters), window + len(states.specials)


@contextmanager
def _writing(target: Path, name: str, shape: tuple[int, ...]) -> Iterator[npt.NDArray[np.float16]]:
    """Open a new array on disk beside a part, to be filled; the file gets its name once it is complete."""
    path = target.with_suffix(f".{name}.npy")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing.writing(path) as temporary:
        # Filled on disk: the states of a part need not fit in memory.
        states = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float16, shape=shape)
        replacing.reserve(temporary)
        yield states
        # Before the file gets its name, under which it must be complete.
        states.flush()

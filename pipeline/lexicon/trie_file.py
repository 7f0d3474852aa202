"""The file of the vocabulary's trie."""

from __future__ import annotations

from pathlib import Path

from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.features.trie import Trie


def save_trie(trie: Trie, path: Path) -> None:
    """Write a trie; equal words give equal bytes."""
    path.write_bytes(trie.to_bytes())


def open_trie(path: Path) -> Trie:
    """Read what ``save_trie`` wrote, in milliseconds for a hundred thousand words.

    Raises:
        StaleArtifactError: The file is missing, damaged or of another version of the library.
    """
    try:
        return Trie.from_bytes(path.read_bytes())
    except (OSError, ValueError) as error:
        raise StaleArtifactError(
            f"{path}: not a trie of this version ({error})", next_step="ssmi-cli features vocab --force"
        ) from error

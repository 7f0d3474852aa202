"""The file that stores the vocabulary's trie."""

from __future__ import annotations

from pathlib import Path

from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.storage import checked_files
from ssmi.pipeline.features.trie import Trie


def save_trie(trie: Trie, path: Path) -> None:
    """Write a trie; equal words produce equal bytes."""
    path.write_bytes(trie.to_bytes())


def open_trie(path: Path) -> Trie:
    """Read a trie written by ``save_trie``; takes milliseconds for a hundred thousand words.

    Raises:
        MissingResourceError: The file does not exist.
        StaleArtifactError: The file changed since it was written, or was written by another version of daachorse.
    """
    content = checked_files.read(path)
    try:
        return Trie.from_bytes(content)
    except ValueError as error:
        raise StaleArtifactError(
            f"{path}: not a trie of this version ({error})", next_step="ssmi-cli features vocab --force"
        ) from error

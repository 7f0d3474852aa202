"""Every vocabulary word inside a text. The automaton is daachorse's; nothing else imports it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import daachorse

from ssmi.pipeline.contract.errors import StaleArtifactError


class Trie:
    """Character-wise double-array automaton over the vocabulary; boundary id = place in ``words`` + 1."""

    def __init__(self, automaton: daachorse.CharwiseDoubleArrayAhoCorasick) -> None:
        self._automaton = automaton

    @classmethod
    def build(cls, words: Sequence[str]) -> Trie:
        """Build from distinct words in boundary-id order, each of which is looked at once."""
        return cls(daachorse.CharwiseDoubleArrayAhoCorasick(cast(list[str], words)))

    def save(self, path: Path) -> None:
        """Write the automaton's own bytes."""
        path.write_bytes(self._automaton.serialize())

    @classmethod
    def open(cls, path: Path) -> Trie:
        """Read what ``save`` wrote: milliseconds for a hundred thousand words."""
        try:
            return cls(daachorse.CharwiseDoubleArrayAhoCorasick.deserialize(path.read_bytes()))
        except (OSError, ValueError) as error:
            raise StaleArtifactError(
                f"{path}: not a trie of this version ({error})", next_step="ssmi-cli features vocab --force"
            ) from error

    def matches(self, text: str) -> list[tuple[int, int, int]]:
        """``(start, end, boundary_id)`` of every word in ``text``, half-open code points, sorted."""
        return sorted((start, end, word + 1) for start, end, word in self._automaton.find_overlapping(text))

    def sentence_matches(self, characters: Sequence[str]) -> list[tuple[int, int, int]]:
        """The same for a sentence of characters, one code point each."""
        return self.matches("".join(characters))

"""Map each character to exactly one token id of the encoder, so that labels and tokens always align."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ssmi.pipeline.contract.encoders.vocabulary import UNK, check_specials
from ssmi.pipeline.features.columns import Ints


@dataclass(frozen=True)
class CharacterTokens:
    """The encoder's vocabulary as a map from single characters to token ids."""

    vocabulary: Mapping[str, int]

    def __post_init__(self) -> None:
        check_specials(self.vocabulary)

    def id_of(self, character: str) -> int:
        """Return the id of the character, else of its lower-case or NFKC lower-case form, else of [UNK]."""
        exact = self.vocabulary.get(character)
        if exact is not None:
            return exact
        # A form may be longer than one character (U+FB01 becomes fi): it is used only if it is a single token.
        for form in (character.lower(), unicodedata.normalize("NFKC", character).lower()):
            if form in self.vocabulary:
                return self.vocabulary[form]
        return self.vocabulary[UNK]

    def knows(self, character: str) -> bool:
        """Whether the character has an id other than that of [UNK]."""
        return self.id_of(character) != self.vocabulary[UNK]

    def ids(self, characters: Sequence[str]) -> list[int]:
        """Return one id per character."""
        exact = self.vocabulary.get  # finds nearly every character, which saves a call of ``id_of`` for each
        return [self.id_of(character) if (number := exact(character)) is None else number for character in characters]

    def ids_of_codes(self, codes: Ints) -> Ints:
        """Return the id of each character, given as a code point. Shape: that of ``codes``."""
        distinct, places = np.unique(codes, return_inverse=True)
        return np.array(self.ids(list(map(chr, distinct.tolist()))), dtype=np.int64)[places]

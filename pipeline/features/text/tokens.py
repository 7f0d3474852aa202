"""Characters → the encoder's token ids, one each, so that labels can never shift against tokens."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ssmi.pipeline.contract.encoders.vocabulary import UNK, check_specials
from ssmi.pipeline.features.columns import Ints


@dataclass(frozen=True)
class CharacterTokens:
    """The encoder's vocabulary as a map of single characters."""

    vocabulary: Mapping[str, int]

    def __post_init__(self) -> None:
        check_specials(self.vocabulary)

    def id_of(self, character: str) -> int:
        """The id of the character, else of its lower-case or compatibility form, else [UNK]'s."""
        exact = self.vocabulary.get(character)
        if exact is not None:
            return exact
        # A form may be longer than a character (U+FB01 becomes fi): it counts only if it is one token, for one id.
        for form in (character.lower(), unicodedata.normalize("NFKC", character).lower()):
            if form in self.vocabulary:
                return self.vocabulary[form]
        return self.vocabulary[UNK]

    def knows(self, character: str) -> bool:
        """Whether the character has an id, not [UNK]'s."""
        return self.id_of(character) != self.vocabulary[UNK]

    def ids(self, characters: Sequence[str]) -> list[int]:
        """One id a character."""
        exact = self.vocabulary.get  # of nearly all, and so without a call of ``id_of`` each
        return [self.id_of(character) if (number := exact(character)) is None else number for character in characters]

    def ids_of_codes(self, codes: Ints) -> Ints:
        """The id of each character given as its code point. Shape: that of ``codes``."""
        distinct, places = np.unique(codes, return_inverse=True)
        return np.array(self.ids(list(map(chr, distinct.tolist()))), dtype=np.int64)[places]

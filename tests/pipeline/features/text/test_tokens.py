"""One encoder id per character: its own, that of a simpler form, or unknown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.features.text.tokens import CharacterTokens

SPECIALS = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3}
VOCABULARY = {**SPECIALS, "中": 4, "a": 5, "B": 6, "b": 7, "1": 8, "，": 9, ",": 10, "2019": 11}


@pytest.mark.parametrize(
    ("character", "expected"),
    [
        ("中", 4),
        ("B", 6),  # its own id before that of its lower case
        ("A", 5),  # lower case
        ("Ａ", 5),  # compatibility form, then lower case
        ("１", 8),
        ("①", 8),
        ("，", 9),  # kept although its compatibility form is known too
        ("2019", 11),  # a data set's multi-character token
        ("２０１９", 11),
        ("2020", 1),
        ("无", 1),
        (" ", 1),
        ("😀", 1),
    ],
)
def test_token_ids_and_their_fallbacks(character: str, expected: int) -> None:
    tokens = CharacterTokens(VOCABULARY)
    assert tokens.id_of(character) == expected
    assert tokens.knows(character) is (expected != 1)


@given(st.lists(st.text(min_size=1, max_size=3), max_size=20))
def test_every_character_has_one_id(characters: list[str]) -> None:
    tokens = CharacterTokens(VOCABULARY)
    assert tokens.ids(characters) == [tokens.ids([character])[0] for character in characters]


@pytest.mark.parametrize("missing", sorted(SPECIALS))
def test_an_encoder_without_its_special_tokens_is_refused(missing: str) -> None:
    vocabulary = {token: number for token, number in VOCABULARY.items() if token != missing}
    with pytest.raises(StaleArtifactError, match=missing.strip("[]")):
        CharacterTokens(vocabulary)

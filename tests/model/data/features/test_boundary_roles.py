"""The role of each character in its best boundary, read from shards and computed online."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmi.model.data.boundaries import Ids, read_words
from ssmi.model.data.features.boundary_roles import BOUNDARY_ROLES, boundary_roles
from ssmi.model.data.online_rows import split_of
from ssmi.model.data.shards import open_shards, read_split
from ssmi.model.data.split import RequiredFeatures
from ssmi.pipeline.contract.errors import StaleArtifactError
from ssmi.pipeline.contract.parquet import schema, tables

WORDS = ("", "中国", "人", "中国人民", "民中民", "𠮷野家", "a股", "人人")
CHARACTERS = sorted({letter for word in WORDS for letter in word} | {"x", "\0"})


def _role(word: str, character: str) -> str:
    """Compute the role of a character in a word directly."""
    if not word:
        return "none"
    if len(word) == 1:
        return "alone"
    place = word.index(character)
    return "first" if place == 0 else "last" if place == len(word) - 1 else "inner"


def _words_of(ids: Ids) -> list[str]:
    return [WORDS[number] for number in ids.tolist()]


@given(st.lists(st.lists(st.tuples(st.sampled_from(CHARACTERS), st.integers(0, 99)), max_size=9), max_size=9))
def test_roles_match_the_position_in_each_word(drawn: list[list[tuple[str, int]]]) -> None:
    texts = ["".join(character for character, _ in sentence) for sentence in drawn]
    candidates = {
        character: [n for n, word in enumerate(WORDS) if not word or character in word] for character in CHARACTERS
    }
    ids = [
        candidates[character][number % len(candidates[character])]
        for sentence in drawn
        for character, number in sentence
    ]
    roles = boundary_roles(np.array(ids, dtype=np.int32), texts, words_of=_words_of, source="x")
    expected = [_role(WORDS[number], character) for number, character in zip(ids, "".join(texts), strict=True)]
    assert [BOUNDARY_ROLES[role] for role in roles.tolist()] == expected


@pytest.mark.parametrize("character", ["x", "\0", "民"])
def test_boundary_without_its_character_is_refused(character: str) -> None:
    with pytest.raises(StaleArtifactError) as refused:
        boundary_roles(np.array([0, 1]), [f"人{character}"], words_of=_words_of, source="tiny/train")
    assert refused.value.message == (
        f"tiny/train: the best boundary of {character!r} is '中国', which does not hold it"
    )


def test_roles_are_equal_from_shards_and_online(
    tmp_path: Path, write_shards: Callable[..., Any], sentences: list[Any]
) -> None:
    folder = write_shards(tmp_path / "s", {"train": sentences})
    opened, required = open_shards(folder), RequiredFeatures(best=True, boundary_roles=True)
    split = read_split(opened, "train", boundaries=opened.boundaries, required=required)
    words = read_words(folder / "boundaries.parquet")
    expected = [
        _role(words[sentence.best[place]] if place in sentence.best else "", character)
        for sentence in sentences
        for place, character in enumerate(sentence.text)
    ]
    assert {"none", "first", "inner", "last"} <= set(expected)
    rows = [row for part in tables.list_parts(folder, "train") for row in tables.read_rows(part, schema.SHARDS)]
    online = split_of(
        rows,
        boundaries=opened.boundaries,
        required=required,
        words_of=lambda ids: [words[number] for number in ids.tolist()],
    )
    for result in (split, online):
        assert result.boundary_roles is not None
        assert [BOUNDARY_ROLES[role] for role in result.boundary_roles.tolist()] == expected
    plain = read_split(opened, "train", boundaries=opened.boundaries, required=RequiredFeatures(best=True))
    assert plain.boundary_roles is None

"""Options as users write them: all mistakes are reported at once, and usual spellings are accepted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.readers.options import DEFAULT, ENCODINGS, ReadOptions, offsets_named, options_from


@given(
    unit=st.sampled_from([("code", "points", "code-points"), ("utf", "16", "utf-16")]),
    separator=st.sampled_from(["", "-", "_", " "]),
    upper=st.booleans(),
)
def test_units_of_offsets_are_accepted_in_every_usual_spelling(
    unit: tuple[str, str, str], separator: str, upper: bool
) -> None:
    first, second, expected = unit
    spelling = first + separator + second
    assert options_from({"offsets": spelling.upper() if upper else spelling}, source="x").offsets == expected


@pytest.mark.parametrize("unit", ["utf-8", "utf-160", "points", "", 16, None, ["utf-16"]])
def test_unknown_units_are_refused(unit: object) -> None:
    assert offsets_named(unit) == unit
    with pytest.raises(InputDataError, match="x: offsets: expected auto, code-points or utf-16, got "):
        options_from({"offsets": unit}, source="x")


@pytest.mark.parametrize("name", ENCODINGS)
def test_encodings_named_in_errors_are_valid(name: str) -> None:
    assert options_from({"encoding": name}, source="x").encoding == name
    assert options_from({"encoding": name.upper()}, source="x").encoding == name.upper()


def test_all_mistakes_are_reported_in_one_error() -> None:
    with pytest.raises(InputDataError) as caught:
        options_from(
            {
                "encoding": "gbkk",
                "offset": "utf-16",
                "labels": ["O", "B\tX"],
                "tag_map": {"nr": "PER", "ns": "", "nt": "\ud800"},
            },
            source="data/mine/dataset.yaml",
        )
    message = caught.value.message
    assert message.startswith("data/mine/dataset.yaml: ") and caught.value.next_step == "correct these"
    for part in (
        "encoding: encoding 'gbkk' is not known, did you mean 'gbk'?",
        "offset: unknown key, did you mean 'offsets'?",
        "labels, entry 2: 'B\\tX' is empty or holds a control character",
        "tag_map.ns: '' is empty",
        "tag_map.nt: '\\ud800' is empty or holds a control character, half a surrogate pair or white space around it",
    ):
        assert part in message
    assert message.count(";") == 4 and "Value error" not in message and "tag_map.nr" not in message


def test_keys_of_other_readers_are_suggested() -> None:
    with pytest.raises(InputDataError, match="split: unknown key, did you mean 'splits'"):
        options_from({"split": {}}, source="x", others=("splits",))
    with pytest.raises(InputDataError, match=r"known: .*splits"):
        options_from({"zzz": 1}, source="x", others=("splits",))


def test_options_are_frozen() -> None:
    options = options_from({"labels": ["O", "B-PER"], "tag_map": {"nr": "PER"}}, source="x")
    assert options.labels == ("O", "B-PER")
    with pytest.raises(ValidationError, match="frozen"):
        options.encoding = "no such encoding"
    assert options_from({}, source="x") == DEFAULT == ReadOptions()

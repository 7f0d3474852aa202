"""Options as people write them: all mistakes reported at once, and the usual spellings of each value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.readers.options import DEFAULT, ENCODINGS, ReadOptions, offsets_named, options_from


@given(
    unit=st.sampled_from([("code", "points", "code-points"), ("utf", "16", "utf-16")]),
    mark=st.sampled_from(["", "-", "_", " "]),
    upper=st.booleans(),
)
def test_a_unit_of_offsets_is_known_in_every_usual_spelling(unit: tuple[str, str, str], mark: str, upper: bool) -> None:
    first, second, expected = unit
    written = first + mark + second
    assert options_from({"offsets": written.upper() if upper else written}, source="x").offsets == expected


@pytest.mark.parametrize("given_unit", ["utf-8", "utf-160", "points", "", 16, None, ["utf-16"]])
def test_what_is_no_unit_is_left_to_be_refused(given_unit: object) -> None:
    assert offsets_named(given_unit) == given_unit
    with pytest.raises(InputDataError, match="x: offsets: Input should be 'auto', 'code-points' or 'utf-16'"):
        options_from({"offsets": given_unit}, source="x")


@pytest.mark.parametrize("name", ENCODINGS)
def test_every_encoding_that_errors_name_is_one(name: str) -> None:
    assert options_from({"encoding": name}, source="x").encoding == name
    assert options_from({"encoding": name.upper()}, source="x").encoding == name.upper()


def test_every_mistake_is_named_in_one_error() -> None:
    with pytest.raises(InputDataError) as caught:
        options_from(
            {"encoding": "gbkk", "offset": "utf-16", "labels": ["O", "B\tX"], "tag_map": {"nr": "PER", "ns": ""}},
            source="data/mine/dataset.yaml",
        )
    message = caught.value.message
    assert message.startswith("data/mine/dataset.yaml: ") and caught.value.next_step == "correct these"
    for said in (
        "encoding: encoding 'gbkk' is not known, did you mean 'gbk'?",
        "offset: unknown key, did you mean 'offsets'?",
        "labels.1: 'B\\tX' is empty or holds a control character",
        "tag_map.ns: '' is empty",
    ):
        assert said in message
    assert message.count(";") == 3 and "Value error" not in message and "tag_map.nr" not in message


def test_keys_of_other_readers_are_suggested_though_they_are_not_options() -> None:
    with pytest.raises(InputDataError, match="split: unknown key, did you mean 'splits'"):
        options_from({"split": {}}, source="x", others=("splits",))
    with pytest.raises(InputDataError, match=r"known: .*splits"):
        options_from({"zzz": 1}, source="x", others=("splits",))


def test_options_cannot_be_changed_after_they_were_checked() -> None:
    options = options_from({"labels": ["O", "B-PER"], "tag_map": {"nr": "PER"}}, source="x")
    assert options.labels == ("O", "B-PER")
    with pytest.raises(ValidationError, match="frozen"):
        options.encoding = "no such encoding"
    assert options_from({}, source="x") == DEFAULT == ReadOptions()

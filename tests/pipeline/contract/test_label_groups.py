"""Groups of entity types, as declared in a data set's record."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from ssmi.pipeline.contract.label_groups import LabelGroups, members

TYPES = ("GPE.NAM", "ORG", "PER.NAM", "PER.NOM")


def test_a_group_contains_the_types_that_match_its_patterns() -> None:
    groups = {"named": ("*.NAM",), "people": ("PER.*",), "both": ("ORG", "?PE.*"), "empty": ("org",)}
    assert members(groups, TYPES) == {
        "named": ["GPE.NAM", "PER.NAM"],
        "people": ["PER.NAM", "PER.NOM"],
        "both": ["GPE.NAM", "ORG"],
        "empty": [],
    }


def test_a_group_is_one_pattern_or_a_list() -> None:
    read = TypeAdapter[LabelGroups](LabelGroups).validate_python({"named": "*.NAM", "both": ["ORG", "GPE"]})
    assert read == {"named": ("*.NAM",), "both": ("ORG", "GPE")}


@pytest.mark.parametrize("groups", [{"all": "*"}, {"": "*"}, {"x": ""}, {"x": []}, {"x": 3}, ["*.NAM"], {"x": " y"}])
def test_invalid_groups_are_refused(groups: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter[LabelGroups](LabelGroups).validate_python(groups)

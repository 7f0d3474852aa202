"""Names that lead out of their folder."""

from __future__ import annotations

import pytest

from ssmi.pipeline.contract.storage.relative_names import stays_below


@pytest.mark.parametrize("name", ["a", "train/part-00000.parquet", ".hidden", "a..b", "大桥.txt", ""])
def test_names_inside_the_folder_are_accepted(name: str) -> None:
    assert stays_below(name)


@pytest.mark.parametrize("name", ["../a", "a/../../b", "..", "/etc/passwd", "a\\..\\b", "a\0b", "//a"])
def test_names_outside_the_folder_are_rejected(name: str) -> None:
    assert not stays_below(name)

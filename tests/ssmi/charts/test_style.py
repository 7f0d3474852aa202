"""The page defines every colour of the charts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ssmi.charts.style import Colour, percent


def test_the_page_defines_every_colour_for_light_and_dark_mode(repository: Path) -> None:
    sheet = (repository / "ssmi" / "report" / "templates" / "page.css").read_text(encoding="utf-8")
    for colour in Colour:
        light, dark = re.findall(rf"--{colour.name.lower()}: (#[0-9a-f]{{3,6}});", sheet)
        assert light == colour.value and dark != light


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0%"), (0.004, "0.4%"), (0.0994, "9.9%"), (0.123, "12%"), (1.0, "100%")]
)
def test_small_shares_have_a_decimal(share: float, text: str) -> None:
    assert percent(share) == text

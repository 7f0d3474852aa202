"""Only a font that has every character is chosen."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import pytest

from ssmi.charts.fonts import find_cjk_font
from ssmi.pipeline.contract.errors import MissingResourceError


def test_a_font_without_chinese_is_not_chosen_for_chinese() -> None:
    latin = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    assert find_cjk_font("abc", fonts=[latin]) == latin
    with pytest.raises(MissingResourceError) as raised:
        find_cjk_font("语言", fonts=[latin, Path(__file__)])
    assert raised.value.exit_code == 4 and "fonts-noto-cjk" in raised.value.next_step

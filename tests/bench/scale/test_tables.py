"""docs/scale.md contains the tables computed from the committed figures."""

from __future__ import annotations

import re
from pathlib import Path

from tests.bench.scale import figures
from tests.bench.scale.tables import all_tables


def test_the_page_contains_the_tables_of_the_figures(repository: Path) -> None:
    page = (repository / "docs" / "scale.md").read_text(encoding="utf-8")
    *generated, by_hand = (table.rstrip("\n") for table in re.findall(r"^\|.*\n(?:\|.*\n)*", page, re.M))
    assert generated == list(all_tables(figures.load()).values())
    assert by_hand.startswith("| from | what breaks | now |")


def test_saved_figures_are_read_back(tmp_path: Path) -> None:
    measured = figures.load()
    figures.save(measured, tmp_path / "figures.json")
    assert figures.load(tmp_path / "figures.json") == measured
    assert (tmp_path / "figures.json").read_bytes() == figures.MEASURED.read_bytes()

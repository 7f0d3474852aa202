"""Fixtures that read the text of a chart from its SVG."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest


@pytest.fixture(scope="session")
def texts() -> Callable[[str], list[str]]:
    """The texts of an SVG."""
    return re.compile(r"<text[^>]*>([^<]*)</text>").findall


@pytest.fixture(scope="session")
def tooltips() -> Callable[[str], list[str]]:
    """The tooltips of an SVG."""
    return re.compile(r"<title>([^<]*)</title>").findall

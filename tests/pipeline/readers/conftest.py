"""Fixtures for the readers tests: the folder of the published data sets, and a writer of raw files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def published() -> Path:
    folder = os.environ.get("SSMI_DATA")
    if not folder:
        pytest.skip("SSMI_DATA is unset")
    return Path(folder)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes bytes, or text as UTF-8, exactly as given."""

    def write(content: str | bytes, name: str = "raw.txt") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write

"""Every package of the locks has a known and allowed licence; which licences are allowed, and how they are read."""

from __future__ import annotations

import pytest

from tests.supply import licences
from tests.supply.locks import CUDA, SOURCES, WHEELS, read


def test_the_table_lists_every_locked_package_with_its_version() -> None:
    listed = {one.name: one.version for one in licences.read_page()}
    locked = {one.name: one.version for file in (WHEELS, SOURCES, CUDA) for one in read(file)}
    assert listed == locked


def test_every_licence_is_known_and_allowed() -> None:
    cuda_packages = {one.name for one in read(CUDA)}
    for one in licences.read_page():
        # NVIDIA's terms allow this: CUDA's libraries are fetched from NVIDIA with torch and not redistributed.
        assert licences.is_allowed(one.licence) or (one.name in cuda_packages and one.licence == licences.NVIDIA), one


@pytest.mark.parametrize(
    ("expression", "field", "classifiers", "licence"),
    [
        ("MIT", "BSD", [], "MIT"),
        (None, "Apache License 2.0", [], "Apache-2.0"),
        (None, "MIT License\n\nCopyright ...", ["License :: OSI Approved :: MIT License"], "MIT"),
        (None, "UNKNOWN", ["License :: OSI Approved :: MIT License"], "MIT"),
        (None, "BSD", ["License :: OSI Approved :: BSD License"], "BSD"),
        (
            None,
            None,
            ["License :: OSI Approved :: Apache Software License", "License :: OSI Approved :: MIT License"],
            "Apache-2.0 AND MIT",
        ),
        (None, None, ["License :: Other/Proprietary License"], ""),
        (None, "", [], ""),
    ],
)
def test_the_most_exact_licence_name_is_used(
    expression: str | None, field: str | None, classifiers: list[str], licence: str
) -> None:
    assert licences.licence_of(expression=expression, field=field, classifiers=classifiers) == licence


@pytest.mark.parametrize(
    ("licence", "is_allowed"),
    [
        ("MIT", True),
        ("BSD-3-Clause AND 0BSD AND MIT", True),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", True),
        ("EPL-2.0 OR GPL-2.0-or-later", True),
        ("Apache-2.0 AND Apache-2.0 WITH LLVM-exception", True),
        ("GPL-2.0-only WITH linking-exception", True),
        ("GPL-3.0-only", False),
        ("MIT AND GPL-3.0-only", False),
        ("MIT AND (GPL-3.0-only OR AGPL-3.0-only)", False),
        ("AGPL-3.0-only", False),
        ("CC-BY-NC-4.0", False),
        (licences.NVIDIA, False),
        ("", False),
    ],
)
def test_licences_that_bind_dependents_are_refused(licence: str, is_allowed: bool) -> None:
    assert licences.is_allowed(licence) == is_allowed


def test_a_written_page_is_read_back(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    packages = [licences.Licensed("a", "1.0", "MIT"), licences.Licensed("b", "2", "MPL-2.0 AND (Apache-2.0 OR MIT)")]
    monkeypatch.setattr(licences, "PAGE", tmp_path / "licences.md")
    licences.PAGE.write_text(licences.page(packages), encoding="utf-8")
    assert licences.read_page() == packages

"""Read the lock files: packages with versions, markers and digests."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

ROOT = Path(__file__).parents[2]
WHEELS = "requirements.lock"
"""All packages that come as wheels."""
SOURCES = "requirements-source.lock"
"""Packages published only as source; built with the setuptools of ``WHEELS`` and nothing else."""
CPU = "requirements-cpu.lock"
"""torch's builds for CPUs, which no package index has; used if pip is given their location."""
CUDA = "requirements-cuda.lock"
"""torch for all other cases; on Linux it needs CUDA's libraries."""
LOCKS = (WHEELS, SOURCES, CPU, CUDA)

_BLOCK = re.compile(r"^(?![#\s]).+(?:\n[ \t].*)*", re.M)
_DIGEST = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Locked:
    """A package in a lock file."""

    name: NormalizedName
    version: str
    marker: Marker | None
    """Condition for installing the package; None for always."""
    digests: tuple[str, ...]
    """SHA-256 of each file that may be installed."""
    text: str
    """The package's lines in the file."""


def parse(text: str) -> list[Locked]:
    """Parse the packages of a lock file's text, in order."""
    found = []
    for block in _BLOCK.findall(text):
        requirement = Requirement(block.partition("--hash")[0].rstrip("\\ \n"))
        (pin,) = requirement.specifier
        assert pin.operator == "==", block
        name, digests = canonicalize_name(requirement.name), tuple(_DIGEST.findall(block))
        found.append(Locked(name, pin.version, requirement.marker, digests, block))
    return found


def read(name: str, *, root: Path = ROOT) -> list[Locked]:
    """Read the packages of one of ``LOCKS``."""
    return parse((root / name).read_text(encoding="utf-8"))

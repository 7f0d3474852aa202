"""The lock files, read: packages with their versions, markers and digests."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

ROOT = Path(__file__).parents[2]
WHEELS = "requirements.lock"
"""Everything that comes as a wheel."""
SOURCES = "requirements-source.lock"
"""What its authors publish as source alone; built with the setuptools of ``WHEELS`` and nothing else."""
CPU = "requirements-cpu.lock"
"""torch's build for CPUs, which no package index has: for where pip is told of its place."""
CUDA = "requirements-cuda.lock"
"""torch for everywhere else; on Linux it needs CUDA's libraries."""
LOCKS = (WHEELS, SOURCES, CPU, CUDA)

_BLOCK = re.compile(r"^(?![#\s]).+(?:\n[ \t].*)*", re.M)
_DIGEST = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Locked:
    """A package of a lock."""

    name: NormalizedName
    version: str
    marker: Marker | None
    """Where it is installed; None for everywhere."""
    digests: tuple[str, ...]
    """sha256 of each file that may be installed."""
    text: str
    """As it stands in the file."""


def parse(text: str) -> list[Locked]:
    """The packages of a lock file's text, in its order."""
    found = []
    for block in _BLOCK.findall(text):
        requirement = Requirement(block.partition("--hash")[0].rstrip("\\ \n"))
        (pin,) = requirement.specifier
        assert pin.operator == "==", block
        name, digests = canonicalize_name(requirement.name), tuple(_DIGEST.findall(block))
        found.append(Locked(name, pin.version, requirement.marker, digests, block))
    return found


def read(name: str, *, root: Path = ROOT) -> list[Locked]:
    """The packages of one of ``LOCKS``."""
    return parse((root / name).read_text(encoding="utf-8"))

"""``make licences``: write docs/licences.md, with the licence of every package that the locks may install.

Licences are taken from the packages' metadata: for packages installed in this environment, from the installation; for
CUDA's libraries, which an environment with torch for CPUs lacks, from pip's report, without fetching them.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata

from tests.supply.locks import CUDA, ROOT, SOURCES, WHEELS, Locked, read

PAGE = ROOT / "docs" / "licences.md"
ALIASES = {
    "apache 2.0": "Apache-2.0",
    "apache 2.0 license": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "bsd license": "BSD",
    "bsd 2-clause license": "BSD-2-Clause",
    "gplv2 | eplv1": "EPL-1.0 OR GPL-2.0-only",
    "gplv2 with linking exception": "GPL-2.0-only WITH linking-exception",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "new bsd": "BSD-3-Clause",
    "nvidia proprietary software": "LicenseRef-NVIDIA-Proprietary",
    "psfl": "PSF-2.0",
    "python software foundation license": "PSF-2.0",
}
"""Mapping from names that authors write, in lower case, to the standard name."""
KNOWN_LICENCES = {"atheris": "Apache-2.0"} | {
    name: "LicenseRef-NVIDIA-Proprietary"
    for name in (
        "cuda-toolkit",
        "nvidia-cublas",
        "nvidia-cuda-runtime",
        "nvidia-cudnn-cu13",
        "nvidia-nvjitlink",
        "nvidia-nvshmem-cu13",
    )
}
"""Licences of packages for which pip reports none, taken from the licence file in each package."""
PERMISSIVE = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "BSL-1.0",
        "CC0-1.0",
        "CNRI-Python",
        "HPND",
        "ISC",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "PSF-2.0",
        "Unlicense",
        "ZPL-2.1",
        "Zlib",
    }
)
WEAK_COPYLEFT = frozenset({"EPL-1.0", "EPL-2.0", "LGPL-2.1-only", "LGPL-2.1-or-later", "MPL-2.0"})
"""Licences that bind only changes to the package itself, of which there are none here."""
EXCEPTIONS = frozenset({"Apache-2.0 WITH LLVM-exception", "GPL-2.0-only WITH linking-exception"})
NVIDIA = "LicenseRef-NVIDIA-Proprietary"

_LONGEST_NAME = 80
_VAGUE = ("", "BSD", "Dual License", "UNKNOWN")
"""Licence names that may be less exact than a classifier."""
_HEAD = """\
# Licences

Written by `make licences` from the metadata of each package; `tests/supply/test_licences.py` refuses one that is not
here, is unknown, or would bind what depends on it. ssmi itself is Apache-2.0 and holds no code of these packages:
whoever installs it fetches them from where their authors publish them.
Data sets, vectors and encoders have terms of their own: `ssmi-cli data list` shows them all, and those of the data
sets are in `docs/guides/data.md`.
"""


@dataclass(frozen=True)
class Licensed:
    """A package and its licence."""

    name: str
    version: str
    licence: str


def licence_of(*, expression: str | None, field: str | None, classifiers: Sequence[str]) -> str:
    """The licence according to the metadata, from the most exact field; empty if they name none."""
    short = (field or "").strip()
    names = [one.rpartition(" :: ")[2] for one in classifiers if one.startswith("License :: OSI Approved ::")]
    written = expression or (short if "\n" not in short and len(short) < _LONGEST_NAME else "")
    if written in _VAGUE:
        written = " AND ".join(ALIASES.get(name.lower(), name) for name in names) or written
    return ALIASES.get(written.lower(), written)


def is_allowed(licence: str) -> bool:
    """Whether a dependency may have this licence: every part of an AND, and one part of an OR, must be allowed."""
    parts = re.sub(r"\(([^()]*)\)", lambda match: match[1].replace(" AND ", " & "), licence).split(" AND ")
    return all(any(_is_choice_allowed(choice) for choice in part.split(" OR ")) for part in parts)


def _is_choice_allowed(choice: str) -> bool:
    return all(
        name in PERMISSIVE or name in WEAK_COPYLEFT or name in EXCEPTIONS for name in choice.strip().split(" & ")
    )


def _installed(package: Locked) -> str | None:
    try:
        found = metadata.metadata(package.name)
    except metadata.PackageNotFoundError:
        return None
    if found["Version"].partition("+")[0] != package.version:
        sys.exit(f"{package.name}: {found['Version']} is installed, {package.version} is locked; run make env")
    return licence_of(
        expression=found["License-Expression"],
        field=found["License"],
        classifiers=found.get_all("Classifier") or (),
    )


def _reported(file: str) -> Mapping[str, str]:
    """Mapping from package to licence, from pip's report on a lock file that is not installed."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps"]
    options = ["--require-hashes", "--only-binary", ":all:", "--report", "-", "-r", str(ROOT / file)]
    completed = subprocess.run([*command, *options], check=True, stdout=subprocess.PIPE, text=True)
    packages = [one["metadata"] for one in json.loads(completed.stdout)["install"]]
    return {
        one["name"]: licence_of(
            expression=one.get("license_expression"),
            field=one.get("license"),
            classifiers=one.get("classifier", ()),
        )
        for one in packages
    }


def collect() -> Iterator[Licensed]:
    """Yield every package of the locks with its licence."""
    reported: Mapping[str, str] | None = None
    for file in (WHEELS, SOURCES, CUDA):
        for package in read(file):
            licence = _installed(package)
            if licence is None:
                if file != CUDA:
                    sys.exit(f"{package.name}: locked and not installed; run make env")
                reported = _reported(CUDA) if reported is None else reported
                licence = reported[package.name]
            yield Licensed(package.name, package.version, licence or KNOWN_LICENCES.get(package.name, ""))


def page(packages: Sequence[Licensed]) -> str:
    """Text of docs/licences.md."""
    rows = [f"| {one.name} | {one.version} | {one.licence} |" for one in packages]
    return "\n".join([_HEAD, "| package | version | licence |", "|---|---|---|", *rows]) + "\n"


def read_page() -> list[Licensed]:
    """Read the packages and licences of the page."""
    rows = re.findall(r"^\| (\S+) \| (\S+) \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.M)
    return [Licensed(*row) for row in rows if row[0] != "package"]


def main() -> None:
    """Write the page."""
    packages = sorted(collect(), key=lambda one: one.name)
    PAGE.write_text(page(packages), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {len(packages)} packages")


if __name__ == "__main__":
    main()

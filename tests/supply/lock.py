"""``make lock``: rewrite the lock files from pyproject.toml and constraints.txt.

uv resolves for every Python and platform of ``[tool.uv]`` at once. The result is divided into wheels, the few packages
without wheels, and torch with CUDA's libraries. torch's builds for CPUs, which no package index has, get a separate
lock, with digests from torch-cpu.sha256 in the format of ``sha256sum``. A common lock would not do: of two files that a
lock allows, pip prefers the one whose digest the index gives, and that is always CUDA's.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.supply.locks import CPU, CUDA, ROOT, SOURCES, WHEELS, Locked, parse

WITHOUT_WHEELS = ("antlr4-python3-runtime", "jieba", "seqeval")
"""The only packages that may be installed from source."""
TORCH_CPU = Path(__file__).with_name("torch-cpu.sha256")
OF_TORCH = re.compile("(nvidia|cuda)-.*|triton|torch")
_HEADERS = {
    WHEELS: "Every package that comes as a wheel",
    SOURCES: "Packages that are published as source alone, built with the setuptools of requirements.lock",
    CPU: "torch for CPUs alone, where pip is told of the place of such builds",
    CUDA: "torch as every package index has it, with CUDA's libraries on Linux",
}
COMMON_MARKER = "python_full_version < '3.14' and (sys_platform == 'darwin' or sys_platform == 'linux')"
_OPTIONS = (
    "--universal",
    "--python-version=3.11.5",  # required by pymdown-extensions
    "--generate-hashes",
    "--no-python-downloads",
    "--no-header",
    "--no-annotate",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--only-binary=:all:",
    *(f"--no-binary={name}" for name in WITHOUT_WHEELS),
    *(f"--extra={name}" for name in ("all", "dev", "docs", "fuzz", "supply")),
)


def resolve(root: Path) -> str:
    """Output of uv for the project: all direct and indirect dependencies with the digests of all files."""
    command = ["uv", "pip", "compile", "--quiet", *_OPTIONS, "--constraint", "constraints.txt", "pyproject.toml"]
    return subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout


def strip_common_marker(text: str) -> str:
    """Remove the marker that only repeats ``[tool.uv]``: other Pythons and systems are excluded earlier."""
    return text.replace(f" ; {COMMON_MARKER}", "")


def divide(packages: list[Locked]) -> dict[str, list[Locked]]:
    """Divide packages among the lock files."""
    (torch,) = [one for one in packages if one.name == "torch"]
    return {
        CPU: [for_cpus(torch.version)],
        CUDA: [one for one in packages if OF_TORCH.fullmatch(one.name)],
        SOURCES: [one for one in packages if one.name in WITHOUT_WHEELS],
        WHEELS: [one for one in packages if one.name not in WITHOUT_WHEELS and not OF_TORCH.fullmatch(one.name)],
    }


def cpu_digests(version: str) -> list[str]:
    """Digests of torch's builds for CPUs. Raises SystemExit if none of this version is known."""
    lines = [line.split() for line in TORCH_CPU.read_text(encoding="utf-8").splitlines()]
    digests = [digest for digest, name in lines if name.startswith(f"torch-{version}+cpu-")]
    if not digests:
        sys.exit(f"{TORCH_CPU}: no wheel of torch {version} for CPUs: add what sha256sum says of each")
    return digests


def for_cpus(version: str) -> Locked:
    """The build of a torch version for CPUs."""
    hashes = [f"    --hash=sha256:{digest}" for digest in cpu_digests(version)]
    (torch,) = parse(" \\\n".join([f"torch=={version}+cpu", *hashes]))
    return torch


def text_of(file: str, packages: list[Locked]) -> str:
    """Text of a lock file."""
    return "\n".join([f"# {_HEADERS[file]}. Written by `make lock`.", *(one.text for one in packages)]) + "\n"


def main() -> None:
    """Write the lock files."""
    for file, packages in divide(parse(strip_common_marker(resolve(ROOT)))).items():
        (ROOT / file).write_text(text_of(file, packages), encoding="utf-8")
        print(f"{file}: {len(packages)} packages")


if __name__ == "__main__":
    main()

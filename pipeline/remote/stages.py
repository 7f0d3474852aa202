"""Finished stages in storage: published whole, fetched whole or file by file.

``STAGE/DATASET/manifest.json`` is the manifest of the current version. The files and a copy of the manifest are in
``STAGE/DATASET/VERSION/``, where ``VERSION`` is the beginning of the manifest's digest, and are written first. So
readers find either the old or the new version, never a mixture, and a process killed while it publishes has changed
nothing. The old version is removed last.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from shlex import quote

from ssmi.pipeline.contract import manifest as manifests
from ssmi.pipeline.contract.errors import MissingResourceError, StaleArtifactError
from ssmi.pipeline.contract.manifest import MANIFEST_NAME, FileState, StoredManifest
from ssmi.pipeline.contract.progress import Reporter
from ssmi.pipeline.contract.project.stages import STAGES
from ssmi.pipeline.contract.storage import replacing
from ssmi.pipeline.remote import objects
from ssmi.pipeline.remote.filesystem import RemoteFolder

_DIGITS = 16
"""Number of digits of a manifest's digest that name a version."""


class StoredStages:
    """The finished stages of a project in storage. A ``place`` is ``STAGE/DATASET``, as below ``artifacts``."""

    def __init__(self, remote: RemoteFolder) -> None:
        self.remote = remote

    def manifest(self, place: str) -> StoredManifest | None:
        """Return the current manifest; None if there is none or this version of the program cannot read it."""
        body = self.remote.read(f"{place}/{MANIFEST_NAME}")
        return None if body is None else manifests.parse(body)

    def publish(self, folder: Path, place: str, *, reporter: Reporter) -> None:
        """Publish a stage's folder as the current version; files already in storage are not sent again."""
        stored = manifests.read(folder)
        before = self.remote.read(f"{place}/{MANIFEST_NAME}")
        self.publish_version(folder, place, reporter=reporter)
        if before == stored.body:
            return
        self.remote.write(f"{place}/{MANIFEST_NAME}", stored.body)
        old = None if before is None else manifests.parse(before)
        # Read again, because another process may just have published the old version anew.
        if old is not None and self.remote.read(f"{place}/{MANIFEST_NAME}") == stored.body:
            self.remote.remove(version_folder(place, old.digest))

    def publish_version(self, folder: Path, place: str, *, reporter: Reporter) -> str:
        """Send the files of a version that are missing from storage, and return the manifest's digest."""
        stored = manifests.read(folder)
        below = version_folder(place, stored.digest)
        there = self.remote.sizes(below)
        entries = stored.manifest.files
        missing = [name for name, entry in entries.items() if there.get(f"{below}/{name}") != entry.n_bytes]
        if missing:
            with reporter.task(f"publish {place}", total=len(missing), unit="files") as advance:
                for name in missing:
                    self.remote.put(folder / name, f"{below}/{name}")
                    advance(1)
        if f"{below}/{MANIFEST_NAME}" not in there:
            self.remote.write(f"{below}/{MANIFEST_NAME}", stored.body)
        return stored.digest

    def fetch(self, place: str, folder: Path, *, reporter: Reporter) -> None:
        """Replace a local folder by the current version.

        Raises:
            MissingResourceError: A file does not exist, or the storage cannot be used.
            StaleArtifactError: A file or the manifest is not what was written.
        """
        body = self.remote.read(f"{place}/{MANIFEST_NAME}")
        if body is None:
            raise MissingResourceError(f"{self.remote}/{place}: not built", next_step="build it, then run this again")
        stored = manifests.parse(body)
        if stored is None:
            raise StaleArtifactError(
                f"{self.remote}/{place}/{MANIFEST_NAME}: damaged, or of another version of this program",
                next_step=self._send_again(place),
            )
        try:
            self._fetch(stored, place, folder, reporter=reporter)
        except objects.LostError as error:
            # If the manifest has changed meanwhile, another process has rebuilt the stage, as the error says.
            if self.remote.read(f"{place}/{MANIFEST_NAME}") != body:
                raise
            raise MissingResourceError(
                error.message.replace("no longer exists", "missing, although its manifest lists it"),
                next_step=self._send_again(place),
            ) from error

    def _fetch(self, stored: StoredManifest, place: str, folder: Path, *, reporter: Reporter) -> None:
        below = version_folder(place, stored.digest)
        files = stored.manifest.files
        with (
            replacing.replacing_folder(folder) as fresh,
            reporter.task(f"fetch {place}", total=len(files), unit="files") as advance,
        ):
            for name, entry in files.items():
                present = folder / name
                objects.copy_or_fetch(self.remote, f"{below}/{name}", entry.sha256, fresh / name, present=present)
                advance(1)
            (fresh / MANIFEST_NAME).write_bytes(stored.body)

    def _send_again(self, place: str) -> str:
        dataset = place.partition("/")[2]
        option = f" --dataset {quote(dataset)}" if dataset else ""
        return f"ssmi-cli --storage {quote(str(self.remote))} features build{option} sends it again"

    def withdraw(self, place: str, digest: str) -> None:
        """Remove the files of a damaged version, so that the next process that publishes it sends them again."""
        self.remote.remove(version_folder(place, digest))

    def link(self, place: str, digest: str, folder: Path, *, names: Iterable[str]) -> None:
        """Link some files of a version, and its manifest, into a folder inside the machine's cache.

        Args:
            place: Place of the stage.
            digest: Digest of the version's manifest.
            folder: Folder of the links.
            names: Names of files, and of folders for all files in them; the empty name means all files.

        Raises:
            MissingResourceError: A file does not exist, or the storage cannot be used.
            StaleArtifactError: A file is not what was written.
        """
        below = version_folder(place, digest)
        objects.link(self.remote, f"{below}/{MANIFEST_NAME}", digest, folder / MANIFEST_NAME)
        files = manifests.load(folder).files
        for name in sorted({one for asked in names for one in files if is_at_or_below(one, asked)}):
            objects.link(self.remote, f"{below}/{name}", files[name].sha256, folder / name)

    def places(self) -> list[str]:
        """Return the places of all stages in storage, in order."""
        there = [name.rpartition("/")[0] for name in self.remote.sizes() if name.endswith(f"/{MANIFEST_NAME}")]
        # Manifests of versions are one level deeper.
        return [
            name for name in there if (one := STAGES.get(name.split("/")[0])) and name.count("/") == one.per_dataset
        ]

    def file_states(self, place: str, *, check_content: bool) -> dict[str, FileState]:
        """Compare every file of a stage, including its manifest, with what was published.

        Files of other versions are foreign: those left by a killed process, or being published at the moment.

        Args:
            place: Place of the stage.
            check_content: Whether to fetch every file and compare its content, instead of only its size.

        Returns:
            The state of each file, by name below ``place``, such as ``VERSION/train/part-00000.parquet``.

        Raises:
            MissingResourceError: The storage cannot be used.
        """
        stored = self.manifest(place)
        if stored is None:
            return {MANIFEST_NAME: FileState.CHANGED}
        below = f"{version_folder(place, stored.digest)}/".removeprefix(f"{place}/")
        there = {name.removeprefix(f"{place}/"): n_bytes for name, n_bytes in self.remote.sizes(place).items()}
        there.pop(MANIFEST_NAME, None)
        files = {below + name: (entry.n_bytes, entry.sha256) for name, entry in stored.manifest.files.items()}
        files[below + MANIFEST_NAME] = (len(stored.body), stored.digest)
        states = {name: FileState.FOREIGN for name in there if name not in files}
        for name, (n_bytes, digest) in files.items():
            same = there.get(name) == n_bytes
            if same and check_content:
                same = objects.holds(self.remote, f"{place}/{name}", digest)
            states[name] = FileState.INTACT if same else FileState.CHANGED if name in there else FileState.MISSING
        return dict(sorted(states.items()))


def version_folder(place: str, digest: str) -> str:
    """Return the path in storage of a version's folder."""
    return f"{place}/{digest[:_DIGITS]}"


def is_at_or_below(name: str, asked: str) -> bool:
    """Whether a file is the requested file or is below the requested folder; an empty request means all files."""
    return not asked or name == asked or name.startswith(f"{asked}/")

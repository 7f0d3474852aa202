"""The workspace that the application's modules share: the project folder, its artifacts, a reporter and storage."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ssmi.pipeline.contract.arguments import checked
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError, SsmiError
from ssmi.pipeline.contract.parameters import params as parameters
from ssmi.pipeline.contract.parameters.params import Params
from ssmi.pipeline.contract.progress import Reporter, Silent
from ssmi.pipeline.contract.project.dataset_names import check_dataset_name
from ssmi.pipeline.contract.project.paths import PARAMS_NAME, ArtifactPaths
from ssmi.pipeline.contract.user_files import require_file

if TYPE_CHECKING:
    from ssmi.pipeline.remote.filesystem import RemoteFolder


@dataclass(frozen=True)
class Workspace:
    """A project folder without the methods of ``Project``: the argument that the application's modules take.

    Attributes:
        root: The folder that holds params.yaml, absolute.
        reporter: Receives progress and notes; silent by default.
        storage: URL of shared storage for the features; None if they are on this machine only.

    """

    root: Path
    reporter: Reporter = field(default_factory=Silent)
    storage: str | None = None

    def __post_init__(self) -> None:
        """Raise ParameterError for storage that is not a URL."""
        if self.storage is not None:
            check_storage(self.storage, what="storage")

    @property
    def paths(self) -> ArtifactPaths:
        """Paths of the project's files and artifacts."""
        return ArtifactPaths(self.root)

    @property
    def remote(self) -> RemoteFolder | None:
        """The opened storage, or None; raises the errors of ``RemoteFolder``, and ParameterError for a website."""
        if self.storage is None:
            return None
        from ssmi.pipeline.remote.addresses import check_writable
        from ssmi.pipeline.remote.filesystem import open_folder  # loads fsspec, which most commands do not need

        return open_folder(check_writable(self.storage, what="storage"), what="storage")

    @checked
    def fetch_features(self, dataset: str) -> None:
        """Update the features of a data set or corpus from storage; do nothing without storage.

        This is for operations that only read features: storage that does not exist is an error, as it is never created
        here.

        Args:
            dataset: Name of the data set or corpus.

        Raises:
            MissingResourceError: The storage does not exist or cannot be used.
            ParameterError: The storage and this machine hold different corpora under this name.
            StaleArtifactError: A file in storage is not as it was written.

        """
        remote = self.remote
        if remote is not None:
            from ssmi.pipeline.stages.running.stored import fetch_all_stages

            remote.check_there()
            fetch_all_stages(remote, dataset, paths=self.paths, reporter=self.reporter)

    @checked
    def params(self, overrides: Iterable[str] = (), *, device: str | None = None) -> Params:
        """Load params.yaml and apply overrides.

        Args:
            overrides: ``section.key=value`` each; later ones take precedence.
            device: A value for ``train.device`` that takes precedence over ``overrides``.

        Raises:
            ParameterError: A parameter is unknown or invalid; the message names every mistake.

        """
        more = () if device is None else (f"train.device={device}",)
        return parameters.load(self.paths.params, overrides=(*overrides, *more))

    @checked
    def dataset(self, name: str | None, *, params: Params | None = None) -> str:
        """Check the name of a data set or corpus; for None, return the first data set.

        Args:
            name: The name; None for the first data set that ``params`` lists.
            params: The parameters; None for those of params.yaml.

        Raises:
            ParameterError: The name could lead out of the project's folders.
            MissingResourceError: No data set or corpus has this name, and no features are built under it.

        """
        if name is None:
            return (params or self.params()).datasets[0]
        check_dataset_name(name)
        # Storage may hold it, which is checked when features are fetched.
        if self.storage is None and not self.paths.is_built(name):
            self._check_known(name)
        return name

    def _check_known(self, name: str) -> None:
        from ssmi.pipeline.assets.corpora import listed_names
        from ssmi.pipeline.assets.datasets import check_dataset  # loads the readers

        try:
            check_dataset(name, root=self.root, built=self.paths.built_names())
        except MissingResourceError:
            listed: tuple[str, ...] = ()
            with suppress(SsmiError):  # an invalid params.yaml is reported where its values are needed
                listed = self.params().corpora
            if name not in listed_names(listed, root=self.root):
                raise


def check_storage(url: object, *, what: str) -> None:
    """Reject a value that is not a storage URL, before anything is read.

    Args:
        url: The value as given by the caller.
        what: Name of the argument or option, for the message.

    Raises:
        ParameterError: The value is not a string, is empty, or ``ssmi.pipeline.remote.addresses.check_url`` rejects it.

    """
    from ssmi.pipeline.remote.addresses import check_url

    if not isinstance(url, str):
        raise ParameterError(f"{what}={url!r} is not a str or None", next_step="for example s3://BUCKET/FOLDER")
    if not url:
        raise ParameterError(f"{what}: empty", next_step="give a URL, or leave it out to have the features here alone")
    check_url(url, what=what)


def find_root(start: Path, *, upward: bool = True) -> Path:
    """Find the nearest folder with params.yaml: ``start`` or, with ``upward``, a folder above it.

    Raises:
        MissingResourceError: There is no such folder.
        InputDataError: ``upward`` is false, and params.yaml in ``start`` is not a file.

    """
    # A relative path has no parents above the working folder.
    start = start.resolve()
    for folder in [start, *start.parents] if upward else [start]:
        if (folder / PARAMS_NAME).is_file():
            return folder
    if not upward and (start / PARAMS_NAME).exists():  # the caller means this folder, so report what is wrong with it
        require_file(start / PARAMS_NAME)
    raise MissingResourceError(
        f"no {PARAMS_NAME} in {start}{' or above it' if upward else ''}",
        next_step="run inside a project folder, or name one: --project FOLDER, in Python open_project(FOLDER)",
    )

"""The ground that everything stands on: the folder with params.yaml, its artifacts, and who is told of progress."""

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
    """A project folder without the verbs: what the modules of the application take.

    Attributes:
        root: The folder that holds params.yaml, absolute.
        reporter: Told of progress and notes; silent by default.
        storage: URL of storage that holds the features too; None where they lie here alone.

    """

    root: Path
    reporter: Reporter = field(default_factory=Silent)
    storage: str | None = None

    def __post_init__(self) -> None:
        """Refuse, with ParameterError, storage that is no URL."""
        if self.storage is not None:
            check_storage(self.storage, what="storage")

    @property
    def paths(self) -> ArtifactPaths:
        """Where everything lies."""
        return ArtifactPaths(self.root)

    @property
    def remote(self) -> RemoteFolder | None:
        """The storage, opened; None without one. Raises as ``RemoteFolder``, and ParameterError for a website."""
        if self.storage is None:
            return None
        from ssmi.pipeline.remote.addresses import check_writable
        from ssmi.pipeline.remote.filesystem import open_folder  # loads fsspec, which most commands do not need

        return open_folder(check_writable(self.storage, what="--storage"), what="--storage")

    @checked
    def fetch_features(self, dataset: str) -> None:
        """Have the features of a data set or corpus as they are in the storage; without one nothing happens.

        For what only reads: a storage that is not there is one that was named wrong, and nothing makes it.

        Raises:
            MissingResourceError: There is no such storage, or it cannot be used.
            ParameterError: It holds another corpus of this name than lies here.
            StaleArtifactError: A file in it is not what was written.

        """
        remote = self.remote
        if remote is not None:
            from ssmi.pipeline.stages.stored import bring_all

            remote.check_there()
            bring_all(remote, dataset, paths=self.paths, reporter=self.reporter)

    @checked
    def params(self, overrides: Iterable[str] = (), *, device: str | None = None) -> Params:
        """params.yaml with changes.

        Args:
            overrides: ``section.key=value``, the later ones over the earlier.
            device: A value for ``train.device`` over all of them.

        Raises:
            ParameterError: Naming every mistake at once.

        """
        more = () if device is None else (f"train.device={device}",)
        return parameters.load(self.paths.params, overrides=(*overrides, *more))

    @checked
    def dataset(self, name: str | None, *, params: Params | None = None) -> str:
        """The data set meant by ``name``: for None the first that ``params``, else params.yaml, lists.

        Raises:
            ParameterError: The name could lead out of the project's folders.
            MissingResourceError: There is no such data set or corpus, and nothing is built of one.

        """
        if name is None:
            return (params or self.params()).datasets[0]
        check_dataset_name(name)
        # What storage holds is seen when it is asked.
        if self.storage is None and not self.paths.is_built(name):
            self._check_known(name)
        return name

    def _check_known(self, name: str) -> None:
        from ssmi.pipeline.assets.corpora import is_listed
        from ssmi.pipeline.assets.datasets import check_dataset  # loads the readers

        try:
            check_dataset(name, root=self.root, built=self.paths.built_names())
        except MissingResourceError:
            listed: tuple[str, ...] = ()
            with suppress(SsmiError):  # a params.yaml that is wrong is told where its values are needed
                listed = self.params().corpora
            if not is_listed(name, listed, root=self.root):
                raise


def check_storage(url: object, *, what: str) -> None:
    """Refuse what is no URL of storage, before anything is read.

    Args:
        url: As given.
        what: Whose value it is, for the message: ``storage``, or the option.

    Raises:
        ParameterError: It is no string, empty, or as ``ssmi.pipeline.remote.addresses.check_url``.

    """
    from ssmi.pipeline.remote.addresses import check_url

    if not isinstance(url, str):
        raise ParameterError(f"{what}={url!r} is not a str or None", next_step="for example s3://BUCKET/FOLDER")
    if not url:
        raise ParameterError(f"{what}: empty", next_step="give a URL, or leave it out to have the features here alone")
    check_url(url, what=what)


def find_root(start: Path, *, upward: bool = True) -> Path:
    """The nearest folder with params.yaml: ``start``, or with ``upward`` one above it.

    Raises:
        MissingResourceError: There is none.
        InputDataError: ``start`` alone is looked at, and a folder is called params.yaml there.

    """
    # A relative path has no parents above the working folder.
    start = start.resolve()
    for folder in [start, *start.parents] if upward else [start]:
        if (folder / PARAMS_NAME).is_file():
            return folder
    if not upward and (start / PARAMS_NAME).exists():  # this folder was meant, so say what is wrong with it
        require_file(start / PARAMS_NAME)
    raise MissingResourceError(
        f"no {PARAMS_NAME} in {start}{' or above it' if upward else ''}",
        next_step="run inside a project folder, or pass --project FOLDER",
    )

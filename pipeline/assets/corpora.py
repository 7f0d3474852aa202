"""From the name of a corpus (text without labels) to its files on this machine.

A corpus is listed in ``corpora`` of params.yaml, or is in ``$SSMI_DATA/<name>/`` or ``<root>/data/<name>/``, or is
given as a path or URL. Its name is that of its folder, or of its single file without extensions.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote

from ssmi.pipeline.assets.datasets import own_names, user_copies
from ssmi.pipeline.assets.names import is_plain, path_below
from ssmi.pipeline.contract.errors import MissingResourceError, ParameterError, name_hint
from ssmi.pipeline.contract.progress import Reporter, Silent
from ssmi.pipeline.contract.project.dataset_names import check_dataset_name
from ssmi.pipeline.contract.user_files import require_file
from ssmi.pipeline.readers.texts import ENDINGS, holds_texts
from ssmi.pipeline.remote.addresses import is_url, name_of
from ssmi.pipeline.remote.downloads import download

_SILENT = Silent()

_DATA_FOLDER = "$SSMI_DATA"
"""In a source, stands for the folder that this environment variable names."""


@dataclass(frozen=True, slots=True)
class CorpusFiles:
    """The files of a corpus."""

    name: str
    files: Mapping[str, Path]
    """Name below the corpus → path, in the order of names."""
    notes: tuple[str, ...] = ()
    """Notes for the user: files that are not read."""
    source: str = ""
    """Place of the files, for ``source_path``: their path below the project if they are in it, else as it was given."""


def find_corpus(given: str, *, root: Path, listed: Sequence[str], reporter: Reporter = _SILENT) -> CorpusFiles:
    """Find the files of a corpus.

    Args:
        given: Name of a listed corpus or of a data folder, path relative to the project, or URL.
        root: The project's folder.
        listed: ``corpora`` of params.yaml: paths relative to the project, and URLs.
        reporter: Receives the progress of downloads.

    Raises:
        MissingResourceError: There is no such corpus, or it holds no file of text.
        ParameterError: The name cannot be that of a folder of artifacts, two listed corpora have it, or it is the name
            of both a data folder and another file or folder of the project.
    """
    by_name: dict[str, list[str]] = {}
    for one in listed:
        by_name.setdefault(_name_of(one, root=root), []).append(one)
    if given in by_name:
        first, *others = by_name[given]
        if others:
            raise ParameterError(
                f"corpus {given!r}: corpora of params.yaml lists {' and '.join(by_name[given])}, all of this name",
                next_step="rename all but one of them",
            )
        return _from(first, _here(first, root=root, reporter=reporter), root=root, name=given)
    for folder, origin in user_copies(given, root):
        if folder.is_dir():
            _check_one_place(given, folder, root=root)
            source = f"{_DATA_FOLDER}/{given}" if origin == "SSMI_DATA" else _source(folder, root=root, given=given)
            return replace(open_corpus(folder, name=given), source=source)
    path = _here(given, root=root, reporter=reporter)
    if not path.exists():
        known = {*by_name, *own_names(root)}
        hint = f"; {name_hint(given, known)}" if known else ""
        raise MissingResourceError(
            f"corpus {given!r}: neither listed in params.yaml nor a folder of data, a file or a folder{hint}",
            next_step="name a folder or a file of text, or list it in `corpora` of params.yaml",
        )
    return _from(given, path, root=root, name=_name_of(given, root=root))


def listed_names(listed: Sequence[str], *, root: Path) -> set[str]:
    """The names of the corpora that ``corpora`` of params.yaml lists."""
    return {_name_of(one, root=root) for one in listed}


def _check_one_place(name: str, folder: Path, *, root: Path) -> None:
    """Raise ParameterError for a name that means both a data folder and another path of the project."""
    here = path_below(root, name)
    if here.exists() and here.resolve() != folder.resolve():
        raise ParameterError(
            f"corpus {name!r}: ambiguous: both {folder} and {here} exist",
            next_step=f"name one of them as a path: {quote(str(folder))} or {quote(f'./{name}')}",
        )


def _from(given: str, path: Path, *, root: Path, name: str) -> CorpusFiles:
    return replace(open_corpus(path, name=name), source=_source(path, root=root, given=given))


def _source(path: Path, *, root: Path, given: str) -> str:
    """The place of a corpus, without paths of this machine unless one was given."""
    if is_url(given):
        return given
    whole = path.resolve()
    return whole.relative_to(root.resolve()).as_posix() if whole.is_relative_to(root.resolve()) else given


def source_path(source: str, *, root: Path) -> Path:
    """Path on this machine of the place that ``CorpusFiles.source`` names; it need not exist."""
    home = os.environ.get("SSMI_DATA")
    if home and source.startswith(f"{_DATA_FOLDER}/"):
        source = str(Path(home).expanduser() / source.removeprefix(f"{_DATA_FOLDER}/"))
    return path_below(root, source).resolve()


def open_corpus(path: Path, *, name: str) -> CorpusFiles:
    """Find the files of a corpus at an existing path; a path to a single file is accepted whatever its extension.

    Raises:
        MissingResourceError: The folder holds no file of text.
        ParameterError: The name cannot be that of a folder of artifacts.
    """
    check_dataset_name(name, of="corpus")
    if not path.is_dir():
        require_file(path, what="corpus")
        return CorpusFiles(name, {path.name: path})
    below = {one.relative_to(path).as_posix(): one for one in path.rglob("*") if one.is_file()}
    # Sorted by name, not in the file system's order, since the ids of texts depend on the order.
    visible = {key: below[key] for key in sorted(below) if not any(part.startswith(".") for part in key.split("/"))}
    files = {key: one for key, one in visible.items() if holds_texts(one)}
    if not files:
        raise MissingResourceError(
            f"corpus {path}: no file of text in it",
            next_step=f"text files must end in {' '.join(ENDINGS)} (also packed: .gz, .zst)",
        )
    others = sorted(visible.keys() - files.keys())
    notes = (f"{path}: not read: {', '.join(others[:5])}{' ...' if len(others) > 5 else ''}",) if others else ()
    return CorpusFiles(name, files, notes)


def corpus_name(given: str, *, root: Path) -> str:
    """The name of a built corpus; a path or URL stands for its folder's name, or its file's without extensions."""
    if is_url(given) or path_below(root, given).exists():
        return check_dataset_name(_name_of(given, root=root), of="corpus")
    if not is_plain(given) and Path(given).name != given:
        raise MissingResourceError(f"corpus {given}: no such file or folder", next_step="give the corpus's name")
    return check_dataset_name(given, of="corpus")


def _here(given: str, *, root: Path, reporter: Reporter) -> Path:
    """Path on this machine of a corpus given as a path or as a URL, which is downloaded."""
    return download(given, what="corpus", reporter=reporter) if is_url(given) else path_below(root, given)


def _name_of(given: str, *, root: Path) -> str:
    if is_url(given):
        return name_of(given).partition(".")[0]
    resolved = path_below(root, given).resolve()
    return resolved.name if resolved.is_dir() else resolved.name.partition(".")[0]

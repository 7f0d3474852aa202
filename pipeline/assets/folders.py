"""Which files of a folder are a data set's splits, by their names or by its ``dataset.yaml``, and how they are read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError, ParameterError, name_hint
from ssmi.pipeline.contract.label_groups import LabelGroups
from ssmi.pipeline.contract.parquet.tables import SPLITS
from ssmi.pipeline.contract.text.yaml_text import NOT_YAML, not_yaml, parse_yaml, yaml_step
from ssmi.pipeline.contract.user_files import read_bytes, require_file
from ssmi.pipeline.contract.wrong_values import mistakes
from ssmi.pipeline.readers.options import DEFAULT, ReadOptions, options_from
from ssmi.pipeline.readers.registry import endings, files_of, format_named

DESCRIPTION = "dataset.yaml"
_MISNAMED = ("dataset.yml", "Dataset.yaml", "Dataset.yml", "dataset.yaml.txt", "dataset.yml.txt")
"""Names of files that are meant to be ``dataset.yaml``."""
SPLIT_WORDS: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training", "trainset"),
    "dev": ("dev", "valid", "val", "validation", "eval", "evaluation", "development", "devset", "validset", "testa"),
    "test": ("test", "testing", "testset", "testb"),
}
"""Words for each split in file names, in any case; ``testa`` and ``testb`` are those of CoNLL-2003."""

_DOUBLE_ENDINGS = (".char.bmes", ".all.bmes")
_EXPLAINING = ("readme*", "licen[cs]e*", "notice*", "citation*", "*.md", DESCRIPTION)
_NAMED = 8
_GROUPS = TypeAdapter[LabelGroups](LabelGroups)


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The splits of a data set's folder, and how they are read."""

    splits: dict[str, Path]
    """Split → its file (or folder, in formats that have folders), for the splits that exist."""
    options: ReadOptions = DEFAULT
    label_groups: LabelGroups | None = None
    """Label groups that ``dataset.yaml`` declares; None if it declares none."""
    description: Path | None = None
    """The ``dataset.yaml``, if there is one."""
    notes: tuple[str, ...] = ()
    """Notes for the user: files under unusual names, files that are not read."""


def open_folder(folder: Path) -> DataFolder:
    """Find the splits of a folder and the options for reading them.

    A split's file is called ``<word>.<ending>``, with a word of ``SPLIT_WORDS`` and an ending of any format. If there
    is no such file, a file whose name holds the words of this split only (``msra_train_bio``, ``example.train``) is
    taken, with a note. ``dataset.yaml`` may name the file instead. Every other file is named in a note, except those
    that explain the data to people (README, LICENSE, ``*.md``).

    Args:
        folder: The data set's folder.

    Returns:
        The folder's splits, options and notes.

    Raises:
        InputDataError: Two files could be the same split, a file cannot be read, or ``dataset.yaml`` is invalid or has
            another name, such as ``dataset.yml``.
        MissingResourceError: ``dataset.yaml`` names a file that does not exist.
    """
    description = _description_in(folder)
    described = _read_description(description) if description.is_file() else _Description()
    splits = {}
    notes = []
    entries = list(_entries(folder))
    for split in SPLITS:
        if split in described.splits:
            splits[split] = _named_file(folder, split, described.splits[split])
        elif (path := _by_name(entries, split, folder)) is not None:
            splits[split] = path
            if not _is_exactly(path, split):
                notes.append(f"{split} is {path.name}, by its name")
    # Checked here, not when the first line is read: stages digest the files before, which would raise a bare OSError.
    for file in (file for path in splits.values() for file in files_of(path)):
        require_file(file)
    notes += _unread(entries, splits.values())
    source = description if description.is_file() else None
    return DataFolder(splits, described.options, described.label_groups, source, tuple(notes))


def _description_in(folder: Path) -> Path:
    """Return the path of the ``dataset.yaml``; raise InputDataError if there is only a file of nearly this name."""
    description = folder / DESCRIPTION
    if not description.exists():
        for path in (folder / name for name in _MISNAMED):
            if path.is_file():
                raise InputDataError(
                    f"{path}: not read, because it is not called {DESCRIPTION}",
                    next_step=f"rename it to {DESCRIPTION}, or move it out of the folder",
                )
    return description


def _by_name(entries: Sequence[Path], split: str, folder: Path) -> Path | None:
    """The one file named after the split, exactly or else loosely; None if there is none."""
    exact = [path for path in entries if _is_exactly(path, split)]
    matches = exact or [path for path in entries if _is_loosely(path, split)]
    if len(matches) > 1:
        raise InputDataError(
            f"{folder}: two files for {split}: {matches[0].name} and {matches[1].name}",
            next_step=f"say which in {DESCRIPTION} beside them, `splits: {{{split}: {matches[0].name}}}`, or move "
            "the other out of the folder",
        )
    return matches[0] if matches else None


def _unread(entries: Iterable[Path], splits: Iterable[Path]) -> Iterator[str]:
    """Yield a note that names the entries that neither are nor hold a split, if there are any."""
    read = {file for path in splits for file in (path, *files_of(path))}
    unread = [
        f"{path.name}/" if path.is_dir() else path.name
        for path in entries
        if path not in read and not any(path in file.parents for file in read)
    ]
    if unread:
        more = f" and {len(unread) - _NAMED} more" if len(unread) > _NAMED else ""
        yield f"not read: {', '.join(unread[:_NAMED])}{more} (if one is a split, say so in {DESCRIPTION})"


def split_names(split: str) -> list[str]:
    """The usual file names of a split; each may end with ``.gz`` in addition."""
    return [f"{word}{ending}" for word in SPLIT_WORDS[split] for ending in (*endings(), *_DOUBLE_ENDINGS)]


def _entries(folder: Path) -> Iterator[Path]:
    """Entries of a folder in the order of names, without hidden files and files that explain the data."""
    for path in sorted(folder.iterdir()):
        name = path.name.lower()
        if not name.startswith((".", "__")) and not any(fnmatch(name, pattern) for pattern in _EXPLAINING):
            yield path


def _is_exactly(path: Path, split: str) -> bool:
    name = path.name.lower()
    if path.is_dir():
        return name in SPLIT_WORDS[split] and files_of(path) != [path]
    return name.removesuffix(".gz") in split_names(split)


def _is_loosely(path: Path, split: str) -> bool:
    if not path.is_file():
        return False
    pieces = re.split(r"[._\-\s]+", path.name.lower().removesuffix(".gz"))
    words = {known for known, names in SPLIT_WORDS.items() for piece in pieces if piece in names}
    plain = "." not in path.name or f".{pieces[-1]}" in endings() or pieces[-1] in SPLIT_WORDS[split]
    return words == {split} and plain


def read_mapping(path: Path) -> dict[str, Any]:
    """Read the mapping in a YAML (or JSON) file.

    Raises:
        MissingResourceError: The file does not exist.
        InputDataError: The file cannot be read, or is not a mapping in YAML.
    """
    try:
        tree = parse_yaml(read_bytes(path).decode("utf-8-sig")) or {}
    except NOT_YAML as error:
        raise InputDataError(not_yaml(path, error), next_step=yaml_step(error, usual="correct it")) from None
    if not isinstance(tree, dict):
        raise InputDataError(f"{path}: holds no keys", next_step="write for example `encoding: gb18030`")
    return tree


def options_beside(path: Path) -> ReadOptions:
    """Read the options in the ``dataset.yaml`` beside a file or in a folder; the defaults if there is none.

    Raises:
        InputDataError: The ``dataset.yaml`` is invalid, or has another name, such as ``dataset.yml``.
    """
    description = _description_in(path if path.is_dir() else path.parent)
    return _read_description(description).options if description.is_file() else DEFAULT


def options_given(
    *,
    input_format: str | None,
    encoding: str | None,
    offsets: str | None,
    tag_map: str | Path | Mapping[str, str] | None,
    labels: Iterable[str] | None,
) -> ReadOptions:
    """Validate the options that a caller gives for one file; None leaves an option to the file itself.

    Raises:
        ParameterError: An option is invalid; the message lists all mistakes.
        MissingResourceError: The file of ``tag_map`` does not exist.
        InputDataError: The file of ``tag_map`` is not a mapping in YAML or JSON.
    """
    given = {
        "format": input_format,
        "encoding": encoding,
        "offsets": offsets,
        "tag_map": read_mapping(Path(tag_map)) if isinstance(tag_map, str | Path) else tag_map,
        "labels": None if labels is None else list(labels),
    }
    return options_from(
        {key: value for key, value in given.items() if value is not None}, source="options", refusal=ParameterError
    )


@dataclass(frozen=True, slots=True)
class _Description:
    """Contents of a ``dataset.yaml``."""

    splits: Mapping[str, str] = field(default_factory=dict)
    options: ReadOptions = DEFAULT
    label_groups: LabelGroups | None = None


def _read_description(path: Path) -> _Description:
    tree = read_mapping(path)
    splits = tree.pop("splits", None) or {}
    if not isinstance(splits, dict) or not all(isinstance(name, str) for name in splits.values()):
        raise InputDataError(
            f"{path}: splits: not names of files", next_step="write for example `splits: {dev: holdout.txt}`"
        )
    for split in splits:
        if split not in SPLITS:
            raise InputDataError(
                f"{path}: splits.{split}: unknown split, {name_hint(str(split), SPLITS)}",
                next_step=f"name files for {', '.join(SPLITS)}",
            )
    groups = _label_groups(tree.pop("label_groups", None), path)
    options = options_from(tree, source=str(path), others=("splits", "label_groups"))
    if options.format is not None:
        format_named(options.format, source=str(path))
    return _Description(splits, options, groups)


def _label_groups(value: object, path: Path) -> LabelGroups | None:
    try:
        return None if value is None else _GROUPS.validate_python(value)
    except ValidationError as error:
        raise InputDataError(
            f"{path}: {mistakes(error, within='label_groups')}",
            next_step='write for example `label_groups: {named: "*.NAM", nominal: "*.NOM"}`',
        ) from None


def _named_file(folder: Path, split: str, name: str) -> Path:
    path = folder / name
    try:
        # Resolved, so that neither `..` nor a link leads out of the folder.
        inside, exists = folder.resolve() in path.resolve().parents, path.exists()
    except (OSError, ValueError) as error:  # a name that is too long, or holds a NUL
        raise InputDataError(
            f"{folder / DESCRIPTION}: splits.{split}: no name of a file", next_step="correct the name"
        ) from error
    if not inside:
        raise InputDataError(
            f"{folder / DESCRIPTION}: splits.{split}: {name} lies outside the folder", next_step="put the file into it"
        )
    if not exists:
        raise MissingResourceError(
            f"{folder / DESCRIPTION}: splits.{split}: no file {name}; "
            f"{name_hint(name, (entry.name for entry in _entries(folder)))}",
            next_step="correct the name",
        )
    return path

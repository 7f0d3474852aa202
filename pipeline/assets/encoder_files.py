"""The files of an encoder folder and their common digest. Their contents are read by ``pipeline.contract``."""

from __future__ import annotations

from pathlib import Path

from ssmi.pipeline.contract.encoders.types import CONFIG, read_config
from ssmi.pipeline.contract.encoders.vocabulary import VOCABULARIES, vocabulary_file
from ssmi.pipeline.contract.errors import InputDataError, MissingResourceError
from ssmi.pipeline.contract.manifest import digest_json
from ssmi.pipeline.contract.storage.digests import digest_once
from ssmi.pipeline.contract.text.json_text import loads
from ssmi.pipeline.contract.user_files import refuse_lfs_file

SAFETENSORS, PICKLE = "model.safetensors", "pytorch_model.bin"
INDEX = ".index.json"
"""Suffix that makes the name of a weight file that of the index of weights stored in several files."""


def check_encoder_folder(folder: Path, *, name: str = "", pickled: bool = False) -> None:
    """Check that an encoder folder is complete and of a supported type.

    Args:
        folder: The encoder's folder.
        name: What the user called the encoder; empty for the folder.
        pickled: Whether ``pytorch_model.bin`` is accepted as weights, because it will be converted.

    Raises:
        MissingResourceError: The folder lacks files, which the message names.
        InputDataError: The encoder's type is not supported, or a file is a Git LFS pointer.
    """
    lacking = [] if (folder / CONFIG).is_file() else [CONFIG]
    if not weight_files(folder) and not (pickled and weight_files(folder, PICKLE)):
        lacking.append(SAFETENSORS)
    if not lacking:
        vocabulary_file(folder)
    elif not any((folder / one).is_file() for one in VOCABULARIES):
        lacking.append(" or ".join(VOCABULARIES))
    if lacking:
        raise MissingResourceError(
            f"{name or folder}: not an encoder: it lacks {', '.join(lacking)}",
            next_step="name a folder with config.json, model.safetensors (or pytorch_model.bin) and vocab.txt",
        )
    read_config(folder)
    for path in (*(weight_files(folder) or weight_files(folder, PICKLE)), vocabulary_file(folder)):
        refuse_lfs_file(path)


def encoder_digest(folder: Path) -> str:
    """One sha256 over config.json, all weights and the vocabulary in use, on which the encoder's features depend."""
    return digest_json({path.name: digest_once(path) for path in encoder_files(folder)})


def encoder_files(folder: Path) -> list[Path]:
    """The files that ``encoder_digest`` covers, which are all the files that features need."""
    return [folder / CONFIG, *weight_files(folder), vocabulary_file(folder)]


def weight_files(folder: Path, name: str = SAFETENSORS) -> list[Path]:
    """The weight file, or the index and the parts that it names; empty if any of them is missing.

    Raises:
        InputDataError: The index is damaged or names files elsewhere.
    """
    if (folder / name).is_file():
        return [folder / name]
    index = folder / f"{name}{INDEX}"
    if not index.is_file():
        return []
    parts = [folder / part for part in sorted(set(part_names(index).values()))]
    return [index, *parts] if all(part.is_file() for part in parts) else []


def part_names(index: Path) -> dict[str, str]:
    """Read the index of weights stored in several files: weight → name of the file that holds it.

    Raises:
        InputDataError: The index is damaged, a Git LFS pointer, or names files elsewhere.
    """
    refuse_lfs_file(index)
    try:
        names = loads(index.read_text(encoding="utf-8"))["weight_map"]
        parts = {str(weight): str(part) for weight, part in names.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputDataError(f"{index}: does not name weight files", next_step="fetch the encoder again") from error
    strange = next((part for part in parts.values() if part != Path(part).name or part in ("", ".", "..")), None)
    if strange is not None:
        raise InputDataError(f"{index}: names {strange!r}, which is not a file beside it", next_step="do not use it")
    return parts

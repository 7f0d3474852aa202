"""Which files of a folder are a data set's splits, by their names."""

from __future__ import annotations

from pathlib import Path

from pipeline.contract.errors import InputDataError
from pipeline.contract.tables import SPLITS

SUFFIXES = (".bmes", ".bio", ".bioes", ".txt", ".conll", ".char.bmes", ".all.bmes", ".jsonl")
_PUBLISHED = ("weiboNER_2nd_conll.{split}", "weiboNER.conll.{split}")


def split_names(split: str) -> list[str]:
    """Every file name a split may have: ours, and those under which the well-known sets were published."""
    plain = [f"{split}{suffix}" for suffix in SUFFIXES] + [name.format(split=split) for name in _PUBLISHED]
    return [*plain, *(f"{name}.gz" for name in plain)]


def find_splits(folder: Path) -> dict[str, Path]:
    """Split → its file, for the splits that the folder holds.

    Raises InputDataError when two files could be the same split: which one was meant is not for us to guess.
    """
    splits = {}
    for split in SPLITS:
        found = [folder / name for name in split_names(split) if (folder / name).is_file()]
        if len(found) > 1:
            raise InputDataError(
                f"{folder}: two files for {split}: {found[0].name} and {found[1].name}",
                next_step="keep one of them, or move the other out of the folder",
            )
        if found:
            splits[split] = found[0]
    return splits

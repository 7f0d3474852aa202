"""Checks of the file that a picture is written to, before anything is computed for it."""

from __future__ import annotations

from pathlib import Path

from ssmi.pipeline.contract.errors import ParameterError

FORMATS = (".svg", ".png")


def check_picture(path: Path) -> None:
    """Raise ParameterError if the extension is not that of a picture, the folder is missing or the path is a folder."""
    if path.suffix not in FORMATS:
        raise ParameterError(
            f"{path}: the file name must end in {' or '.join(FORMATS)}", next_step="change the file name"
        )
    if not path.parent.is_dir():
        raise ParameterError(f"{path}: no folder {path.parent}", next_step="make it, or name another")
    if path.is_dir():
        raise ParameterError(f"{path}: a folder, where a file is to be written", next_step="name another file")

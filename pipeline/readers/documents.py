"""Files that hold text but are not text, known by their names: how to get at their text or their table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ssmi.pipeline.contract.errors import InputDataError

SAVE_AS = "save its text as UTF-8, or its table as .csv"
TAKE_OUT = "take its text out first, for example with pdftotext"
_SPREADSHEETS = (".xls", ".xlsx", ".ods")
DOCUMENTS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys((".doc", ".docx", ".odt", ".rtf", *_SPREADSHEETS, ".ppt", ".pptx"), ("Office", SAVE_AS)),
    ".pdf": ("PDF", TAKE_OUT),
}
"""Ending → what such a file is, and what to do with it."""


def ending_of(path: Path) -> str:
    """Return the ending of a file, in lower case and without a final ``.gz``."""
    return Path(path.stem if path.suffix.lower() == ".gz" else path.name).suffix.lower()


def refuse_document(path: Path) -> None:
    """Raise InputDataError for a file of texts that is a document by its name."""
    if ending_of(path) in DOCUMENTS:
        what, next_step = DOCUMENTS[ending_of(path)]
        raise InputDataError(f"{path}: by its name {what}, not plain text", next_step=next_step)


def refuse_labelled_document(path: Path) -> None:
    """Raise InputDataError for a labelled file that is a document by its name."""
    if ending_of(path) in DOCUMENTS:
        what, _ = DOCUMENTS[ending_of(path)]
        raise InputDataError(f"{path}: by its name {what}, not a text format", next_step=labelled_step(path))


def labelled_step(path: Path) -> str:
    """Return as what to save a labelled document."""
    if ending_of(path) in _SPREADSHEETS:
        how = "with the columns sentence,token,tag or text,entities named in its first line"
        return f"save {path.name} as {path.stem}.csv in UTF-8, {how}"
    return f"save {path.name} as {path.stem}.bmes, plain text in UTF-8 with one character and its tag on each line"

"""Files that hold text but are not text, by name or first bytes: how to get at their text or their table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ssmi.pipeline.contract.errors import InputDataError
from ssmi.pipeline.contract.user_files import refuse_lfs_pointer

SAVE_AS = "save its text as UTF-8, or its table as .csv"
TAKE_OUT = "take its text out first, for example with pdftotext"
_SPREADSHEETS = (".xls", ".xlsx", ".ods")
DOCUMENTS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys((".doc", ".docx", ".odt", ".rtf", *_SPREADSHEETS, ".ppt", ".pptx"), ("Office", SAVE_AS)),
    ".pdf": ("PDF", TAKE_OUT),
}
"""Ending → what such a file is, and what to do with it."""

ARCHIVES = (".zip", ".xz", ".bz2", ".zst", ".7z", ".rar", ".tar", ".tgz")
"""Endings of packed files that no reader of labelled files unpacks."""
UNPACK = "unpack it first"
HEAD_BYTES = 262
"""Bytes at the beginning of a file that ``refuse_binary`` looks at."""
_TAR = slice(257, HEAD_BYTES)
"""Where a tar archive says ``ustar``, behind the name and the facts of its first file."""
_BZIP2_BLOCKS = (b"1AY", b"\x17rE")
"""What follows ``BZh`` and a digit: the first block, or the end of an empty file."""
_NAME_TEXT = "name files of text"
_BEGINNINGS = (
    (b"PK\x03\x04", "a zip archive (.zip, .docx and .xlsx are such)", f"unpack a .zip first; of a document {SAVE_AS}"),
    (b"\xd0\xcf\x11\xe0", "an old Office file (.doc, .xls)", SAVE_AS),
    (b"%PDF-", "a PDF", TAKE_OUT),
    (
        b"PAR1\x15",  # the letters alone may begin a text
        "a Parquet file",
        "give it the ending .parquet if it holds labelled sentences or a corpus, else write its rows as .jsonl or .csv",
    ),
    (b"BZh", "packed with bzip2", UNPACK),
    (b"\xfd7zXZ", "packed with xz", UNPACK),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", UNPACK),
    (b"7z\xbc\xaf", "a 7z archive", UNPACK),
    (b"Rar!\x1a", "a RAR archive", UNPACK),
    (b"\x89PNG", "a picture", _NAME_TEXT),
    (b"\xff\xd8\xff", "a picture", _NAME_TEXT),
)
"""First bytes of files that are not text, what such a file is, and what to do with it."""


class NotTextError(InputDataError):
    """A file that is not text by its first bytes."""

    def unpack_or(self, step: str) -> str:
        """Return the next step for files that are neither labelled sentences nor a corpus: ``step``, unless packed."""
        return UNPACK if self.next_step.startswith("unpack") else step


def ending_of(path: Path) -> str:
    """Return the ending of a file, in lower case and without a final ``.gz``."""
    return Path(path.stem if path.suffix.lower() == ".gz" else path.name).suffix.lower()


def refuse_binary(head: bytes, name: Path | str) -> None:
    """Raise NotTextError for a file that is not text by its first bytes (``HEAD_BYTES``); gzip is for the caller."""
    refuse_lfs_pointer(head, name)
    for magic, what, next_step in _BEGINNINGS:
        # Text may begin with the letters BZh too.
        if head.startswith(magic) and (magic != b"BZh" or head[4:7] in _BZIP2_BLOCKS):
            raise NotTextError(f"{name}: {what}, not text", next_step=next_step)
    if head[_TAR] == b"ustar":
        raise NotTextError(f"{name}: a tar archive, not text", next_step=UNPACK)


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

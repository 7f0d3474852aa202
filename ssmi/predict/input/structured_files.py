"""Structured files that are given as plain text: known by name or by how they begin, and refused with the way out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from ssmi.pipeline.contract.errors import InputDataError, ParameterError
from ssmi.predict.input.text_decoding import HEAD, Source

Named = Literal["jsonl", "json", "csv", "tsv"]
KIND_OF_NAME: Mapping[str, Named] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
}
_MARKUP = "take the text out of its markup first; --input text reads it as it stands, tags and all"
_OFFICE = "save its text as UTF-8, or its table as .csv"
_REFUSED: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys((".xml", ".html", ".htm", ".xhtml"), ("markup", _MARKUP)),
    **dict.fromkeys((".doc", ".docx", ".odt", ".rtf", ".xls", ".xlsx", ".ods", ".ppt", ".pptx"), ("Office", _OFFICE)),
    ".pdf": ("PDF", "take its text out first, for example with pdftotext"),
    ".zip": ("an archive", "unpack it and name the files in it"),
    ".parquet": ("Parquet", "write its rows as .jsonl or .csv"),
}


def kind_of_name(path: Path) -> Named | None:
    """What a file's name says it holds, ``.gz`` left out; None where it says nothing.

    Raises InputDataError for what is not read.
    """
    suffix = Path(path.stem if path.suffix.lower() == ".gz" else path.name).suffix.lower()
    if suffix in _REFUSED:
        what, next_step = _REFUSED[suffix]
        raise InputDataError(f"{path}: by its name {what}, not plain text", next_step=next_step)
    return KIND_OF_NAME.get(suffix)


def has_fields(files: Iterable[Path], kind: str | None) -> bool:
    """Whether a file holds rows with fields, by ``kind``, for None by its name; raises as ``kind_of_name``."""
    return any((kind or kind_of_name(path)) not in (None, "text", "paragraphs") for path in files)


def check_field(field: str | None, files: Iterable[Path], kind: str | None) -> None:
    """Refuse, with ParameterError, a field of files that are all plain text; raises as ``kind_of_name``."""
    if field is not None and not has_fields(files, kind):
        raise ParameterError(
            "--field: plain text has no fields", next_step="say --input jsonl, json, csv or tsv, or leave it out"
        )


def refuse_structure(source: Source) -> None:
    """Raise InputDataError for JSON or markup that would be tagged as if its brackets and keys were a text."""
    head = source.beginning().lstrip()
    option = ""
    if head[:1] in ("[", "{"):
        option = _json_option(head, whole=len(source.head) < HEAD)
    if option:
        raise InputDataError(
            f"{source.name}: begins as JSON does, and would be read as plain text",
            next_step=f"--input {option} reads it (--field NAME says where its text stands); --input text as it is",
        )
    if head[:5].lower() == "<?xml" or head[:9].lower() == "<!doctype" or head[:5].lower() == "<html":
        raise InputDataError(f"{source.name}: begins as markup does, not plain text", next_step=_MARKUP)


def _json_option(head: str, *, whole: bool) -> str:
    """``jsonl`` or ``json`` for what begins as one of them, else nothing: a text may well begin with a bracket."""
    first, _, rest = head.partition("\n")
    if isinstance(_parsed(first), dict) and (rest.lstrip()[:1] == "{" or not rest.strip()):
        return "jsonl"
    try:
        value, end = json.JSONDecoder().raw_decode(head)
    except json.JSONDecodeError as error:
        # What was looked at may end within the value: then it is JSON as far as it goes.
        cut_off = not whole and (error.pos >= len(head) - 1 or error.msg.startswith("Unterminated string"))
        return "json" if cut_off and '"' in head else ""
    except RecursionError:
        return "json"
    if head[end:].strip()[:1] == "{" and isinstance(value, dict):
        return "jsonl"
    holds_text = isinstance(value, dict) or (isinstance(value, list) and any(isinstance(x, (str, dict)) for x in value))
    return "json" if holds_text and not head[end:].strip() else ""


def _parsed(line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None

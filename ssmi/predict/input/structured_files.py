"""Structured and labelled files given as plain text: recognised by name or content, refused with a next step."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from shlex import quote
from typing import Any, Literal

from ssmi.pipeline.contract.errors import InputDataError, ParameterError
from ssmi.pipeline.readers import labelled
from ssmi.pipeline.readers.documents import ending_of, refuse_document
from ssmi.pipeline.readers.formats.csv_tables import header_cells, is_table_of_tokens
from ssmi.predict.input.text_decoding import HEAD, Source

Named = Literal["jsonl", "json", "csv", "tsv"]
KIND_OF_NAME: Mapping[str, Named] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
}
STDIN = "stdin"
"""Name of standard input in errors."""
_MARKUP = "take the text out of its markup first; --input text reads it as it stands, tags and all"
_REFUSED: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys((".xml", ".html", ".htm", ".xhtml"), ("markup", _MARKUP)),
    ".zip": ("an archive", "unpack it and name the files in it"),
    ".parquet": ("Parquet", "write its rows as .jsonl or .csv"),
}


_AS_TEXT = "--input text tags its lines as they stand, tags and all"


def kind_of_name(path: Path) -> Named | None:
    """Kind of a file by its name, without ``.gz``; None if the name does not tell.

    Raises InputDataError for kinds that are not read.
    """
    refuse_document(path)
    suffix = ending_of(path)
    if suffix in _REFUSED:
        what, next_step = _REFUSED[suffix]
        raise InputDataError(f"{path}: by its name {what}, not plain text", next_step=next_step)
    if suffix in labelled.ENDINGS:
        raise InputDataError(
            f"{path}: by its name a labelled file, not plain text",
            next_step=f"{labelled.suggestions(path)}; {_AS_TEXT}",
        )
    return KIND_OF_NAME.get(suffix)


def has_fields(files: Iterable[Path], kind: str | None) -> bool:
    """Whether any file has rows with fields, by ``kind`` or, if None, by its name. Raises as ``kind_of_name``."""
    return any((kind or kind_of_name(path)) not in (None, "text", "paragraphs") for path in files)


def check_field(field: str | None, files: Iterable[Path], kind: str | None) -> None:
    """Raise ParameterError for a field if all files are plain text; otherwise raises as ``kind_of_name``."""
    if field is not None and not has_fields(files, kind):
        raise ParameterError(
            "field: plain text has no fields",
            next_step="say --input jsonl (in Python input='jsonl'), json, csv or tsv, or leave the field out",
        )


def refuse_structure(source: Source) -> None:
    """Raise InputDataError for JSON or markup, whose brackets, keys and tags would be tagged as text."""
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


def refuse_labels(source: Source, *, text_field: str, delimiter: str | None = None) -> None:
    """Raise InputDataError for labelled lines, whose tags would be tagged as text.

    delimiter: Separator of a table; None for plain text. A table whose header names ``text_field`` is accepted.
    """
    lines = source.beginning_lines()
    first = _first_line(source)
    if delimiter is not None and text_field in dict(header_cells(first)).get(delimiter, ()):
        return
    form = labelled.labelled_form(lines)
    if form is not None or (delimiter is not None and is_table_of_tokens(first)):
        what = "its header names tokens and tags" if form is None else labelled.WHAT[form]
        as_text = _AS_TEXT if form is not None else "--field NAME says which column holds texts, if one does"
        raise InputDataError(
            f"{source.name}: a labelled file ({what}), not {'plain text' if delimiter is None else 'texts'}",
            next_step=f"{labelled.suggestions(_path(source.name))}; {as_text}",
        )


def separator(source: Source, *, usual: str, text_field: str) -> str:
    """Choose the separator of a table by its header: tab, comma or semicolon, as readers of labelled tables do.

    It is the ``usual`` one of the table's kind if that makes the header name ``text_field``, else the only one that
    does. If none does, it is one that cuts the header, so that its fields can be shown.
    """
    cells = dict(header_cells(_first_line(source)))
    naming = [mark for mark, names in cells.items() if text_field in names]
    if usual not in naming and len(naming) == 1:
        return naming[0]
    if naming or len(cells.get(usual, ())) > 1:
        return usual
    return max((usual, *cells), key=lambda mark: len(cells.get(mark, ())))


def _first_line(source: Source) -> str:
    return next((line for line in source.beginning_lines() if line.strip()), "")


def note_brackets(source: Source, *, note: Callable[[str], object]) -> None:
    """Note that a text seems to contain entities in brackets, as labelled files may; it is tagged unchanged."""
    found = labelled.bracketed(source.beginning_lines())
    if found is not None:
        note(
            f"{source.name}: {found} looks like a labelled entity, and is tagged with its brackets; "
            f"if the file is labelled, {labelled.suggestions(_path(source.name))}"
        )


def note_entities(row: Mapping[str, Any], *, name: str, note: Callable[[str], object]) -> bool:
    """Note that a row already contains entities, which tagging ignores; return whether it does."""
    key = labelled.entity_key(row)
    if key is not None:
        note(
            f"{name}: rows hold entities under {key!r} already; the run tags their texts anew "
            f"(`ssmi-cli evaluate --file {quote(_path(name))}` compares the two)"
        )
    return key is not None


def _path(name: str) -> str:
    """Name of an input in a command; piped input must be saved as a file first."""
    return "FILE" if name == STDIN else name


def _json_option(head: str, *, whole: bool) -> str:
    """``jsonl`` or ``json`` if the text begins as one of them, else an empty string: text may begin with a bracket."""
    first, _, rest = head.partition("\n")
    if isinstance(_parsed(first), dict) and (rest.lstrip()[:1] == "{" or not rest.strip()):
        return "jsonl"
    try:
        value, end = json.JSONDecoder().raw_decode(head)
    except json.JSONDecodeError as error:
        # The beginning may end within a value: then it counts as JSON.
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

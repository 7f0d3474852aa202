r"""CSV and TSV with a header, with one row per token or one row per text.

Columns are recognised by their names: a token and its tag (and optionally its sentence), a text and its entities as
JSON, or a list of tokens and a list of tags. Other columns are ignored. Line ends inside the cell of a text stay as
they are, because offsets count them.
"""

from __future__ import annotations

import ast
import csv
import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ssmi.pipeline.contract.errors import InputDataError, at_line
from ssmi.pipeline.contract.text.wording import counted
from ssmi.pipeline.readers.entities.characters import TokenCensus, in_characters
from ssmi.pipeline.readers.entities.schemes import TagCensus, read_tags
from ssmi.pipeline.readers.formats.columns import LONGEST_UNBROKEN
from ssmi.pipeline.readers.options import ReadOptions
from ssmi.pipeline.readers.raw.json_values import Value
from ssmi.pipeline.readers.raw.lines import numbered_lines, stray_return
from ssmi.pipeline.readers.rows.fields import show
from ssmi.pipeline.readers.rows.objects import read_rows
from ssmi.pipeline.readers.sentence import ReadReport, Sentence, check_length

Role = Literal["sentence", "token", "tag", "text", "entities", "tokens", "tags"]
DELIMITERS = "\t,;"
LONGEST_CELL = 1 << 24
"""Largest number of characters in a cell of a table, so that an unclosed quote cannot swallow a whole file."""

_TOKEN = {"token", "word", "char", "character", "字", "字符", "词"}
_TAG = {"tag", "label", "ner", "nertag", "bio", "标签", "标注"}
_SENTENCE = {"sentence", "sentenceid", "sentenceidx", "sentenceno", "sentid", "sent", "sid", "句子", "句子编号"}
_TEXT = {"text", "content", "文本", "句子"}
_ENTITIES = {"entities", "labels", "label", "spans", "实体"}
_TOKENS, _TAGS = {"tokens", "words"}, {"tags", "nertags", "labels"}
_TABLES: tuple[tuple[tuple[Role, set[str]], ...], ...] = (
    (("tokens", _TOKENS), ("tags", _TAGS)),
    (("token", _TOKEN), ("tag", _TAG)),
    (("text", _TEXT), ("entities", _ENTITIES)),
)
_NAME_COLUMNS = "name the columns in the first line: sentence,token,tag or text,entities for example"
_QUOTE = "quote cells that hold the separator, a quote or a line end, and double the quotes within"
_WRITE_LIST: Mapping[Role, str] = {
    "entities": 'write the entities as [start, end, label]: [[0, 2, "PER"]], or [] for none; '
    "with one token a row, call its column token",
    "tokens": 'write the tokens as a list: ["李", "明"]',
    "tags": 'write the tags as a list: ["B-PER", "I-PER"]',
}
"""What a cell must hold that is not a list."""


@dataclass(frozen=True, slots=True)
class Table:
    """The layout of a file."""

    delimiter: str
    n_columns: int
    column_of: dict[Role, int]
    """The index of the column of each role, from 0."""


def header_cells(header: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each separator that a table may have, with the cells into which it cuts a header line."""
    for delimiter in DELIMITERS:
        try:
            yield delimiter, next(csv.reader([header], delimiter=delimiter), [])
        except csv.Error:  # a carriage return inside the line
            return


def table_of(header: str) -> Table | None:
    """Return the layout given by a header line; None if it does not name known columns."""
    for delimiter, cells in header_cells(header):
        names = [_plain(name) for name in cells]
        for wanted in _TABLES:
            columns = {role: names.index(name) for role, known in wanted for name in names if name in known}
            if len(columns) == len(wanted) == len(set(columns.values())):
                sentence = next((place for place, name in enumerate(names) if name in _SENTENCE), None)
                if "token" in columns and sentence is not None:
                    columns["sentence"] = sentence
                return Table(delimiter, len(names), columns)
    return None


def is_stray_return(error: csv.Error) -> bool:
    """Whether a table was refused for a carriage return outside quotes that does not end a line."""
    return str(error).startswith("new-line character")


def looks_like_table(lines: list[str]) -> bool:
    """Whether the first line is a header with known columns."""
    return bool(lines) and table_of(lines[0]) is not None


def is_table_of_tokens(header: str) -> bool:
    """Whether a header line names tokens and their tags rather than a text."""
    table = table_of(header)
    return table is not None and not {"token", "tokens"}.isdisjoint(table.column_of)


def read_csv(path: Path, options: ReadOptions, report: ReadReport) -> Iterator[Sentence]:
    """Yield the sentence of each row, or of each run of rows with the same sentence id.

    A row with an empty id continues the sentence before it. Without a column of ids, blank rows end sentences.

    Raises:
        InputDataError: With ``file:line`` for an unknown header, rows of a different length, broken quoting, and
            invalid cells.
    """
    with closing(numbered_lines(path, encoding=options.encoding)) as lines:
        header = next((line for _, line in lines), "")
        is_blank = not header.strip() and not any(line.strip() for _, line in lines)
    if is_blank:
        return iter(())
    table = table_of(header)
    if table is None:
        raise InputDataError(
            f"{at_line(path, 1)}: {header[:60]!r} names no columns that are known", next_step=_NAME_COLUMNS
        )
    if "token" in table.column_of:
        return _read_tokens(path, table, options, report)

    def rows(_: ReadReport | None) -> Iterator[Value]:
        return _objects(path, table, options)

    return read_rows(rows, path=path, options=options, report=report)


def _plain(name: str) -> str:
    return "".join(mark for mark in name.casefold() if mark.isalnum())


def _records(path: Path, table: Table, options: ReadOptions) -> Generator[tuple[int, list[str]], None, None]:
    """Yield the rows below the header, each with the line on which it begins; blank rows are empty."""
    # A cell may hold a whole text. The limit applies to the whole process, so it is only raised.
    if csv.field_size_limit() < LONGEST_CELL:
        csv.field_size_limit(LONGEST_CELL)
    with closing(numbered_lines(path, encoding=options.encoding, keep_ends=True)) as lines:
        raw = (line for _, line in lines)
        # With one row per token and tabs, a quote is a token, or encloses its cell.
        unquoted = table.delimiter == "\t" and "token" in table.column_of
        quoting: Literal[0, 3] = csv.QUOTE_NONE if unquoted else csv.QUOTE_MINIMAL
        reader = csv.reader(raw, delimiter=table.delimiter, strict=True, quoting=quoting)
        start = 1
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                if is_stray_return(error):
                    raise stray_return(at_line(path, reader.line_num)) from None
                raise _wrong(path, start, f"broken quoting ({error})", next_step=_QUOTE) from None
            if cells is None:
                return
            if start > 1:
                if any(cells) and len(cells) != table.n_columns:
                    raise _wrong(
                        path,
                        start,
                        f"{counted(len(cells), 'cell')}, but the header names {table.n_columns}",
                        next_step=f"give each row {counted(table.n_columns, 'cell')}; {_QUOTE}",
                    )
                yield start, [_bare(cell) for cell in cells] if unquoted else cells
            start = reader.line_num + 1


def _bare(cell: str) -> str:
    return cell[1:-1].replace('""', '"') if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell


def _objects(path: Path, table: Table, options: ReadOptions) -> Iterator[Value]:
    for line, cells in _records(path, table, options):
        if not any(cells):
            continue
        row = {role: cells[column] for role, column in table.column_of.items()}
        body = {role: cell if role == "text" else _list(cell, role, path, line) for role, cell in row.items()}
        yield Value(body, line, at_line(path, line))


def _list(cell: str, role: Role, path: Path, line: int) -> Any:
    """Parse the list in a cell, written as JSON or, by pandas, as a Python literal."""
    if not cell.strip():
        return []
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        pass
    try:
        return _jsonlike(ast.literal_eval(cell.strip()))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise _wrong(path, line, f"{show(cell)} is not a list", next_step=_WRITE_LIST[role]) from None


def _jsonlike(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_jsonlike(item) for item in value]
    return value


def _groups(path: Path, table: Table, options: ReadOptions) -> Iterator[list[tuple[int, str, str]]]:
    """Yield the rows of each sentence as (line, token, tag)."""
    sentence = table.column_of.get("sentence")
    group: list[tuple[int, str, str]] = []
    current, parted, n_characters = "", False, 0
    for line, cells in _records(path, table, options):
        if not any(cells):
            parted = parted or bool(group)
            if sentence is None and group:
                yield group
                group = []
            continue
        name = "" if sentence is None else cells[sentence]
        if name and name != current:
            current = name
            if group:
                yield group
                group = []
        token, tag = cells[table.column_of["token"]], cells[table.column_of["tag"]]
        if not token or not tag:
            raise _wrong(
                path, line, f"no {'tag' if token else 'token'}", next_step="give each row a token and a tag, such as O"
            )
        token = "\n" if token == "\r\n" else token  # a table that was given other line ends, and no offset counts it
        n_characters = len(token) + (n_characters if group else 0)
        check_length(n_characters, path, line)
        group.append((line, token, tag))
        if sentence is None and not parted and len(group) > LONGEST_UNBROKEN:
            raise _wrong(
                path,
                line,
                f"{counted(len(group), 'row')}, and nothing says where sentences end",
                next_step="add a column sentence with a number for each, or blank rows between them",
            )
    if group:
        yield group


def _read_tokens(path: Path, table: Table, options: ReadOptions, report: ReadReport) -> Iterator[Sentence]:
    census, token_census = TagCensus(path, labels=options.labels), TokenCensus(path)
    for group in _groups(path, table, options):
        for line, token, tag in group:
            token_census.add(token, line)
            census.add(tag, line)
        token_census.end()
        census.end()
    token_census.finish()
    notation = census.notation(report)
    for group in _groups(path, table, options):
        line = group[0][0]
        tokens, tags = _column(group, 1), _column(group, 2)
        spans = read_tags(tags, notation=notation, line=line, step=1, report=report)
        yield in_characters(tokens, spans, line=line, step=1, report=report, writes_blanks=token_census.writes_blanks)


def _column(group: Sequence[tuple[int, str, str]], place: Literal[1, 2]) -> list[str]:
    return [row[place] for row in group]


def _wrong(path: Path, line: int, what: str, *, next_step: str) -> InputDataError:
    return InputDataError(f"{at_line(path, line)}: {what}", next_step=next_step)

"""An mkdocs hook that fills pages from the code, so that they cannot be stale.

A page asks for a piece with a line ``<!-- generated: NAME -->``; a line in italics below it, for readers of the
repository, is replaced too. The pieces: the tree of the repository from docstrings, import contracts from
pyproject.toml, commands from click, parameters from their schema, tables from the contract's schemas, exit codes from
the errors, Python names from ``ssmi.__all__``, and files of the repository's top.
"""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click
    import pyarrow as pa

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("ssmi", "cli", "pipeline", "model")
"""The top folders of the code, from the door inward."""
MARKER = re.compile(r"^<!-- generated: ([\w.-]+) -->(?:\n_.+_)?$", re.MULTILINE)
"""A marker, with the line below it in italics that tells readers of the repository what comes here."""


def on_page_markdown(markdown: str, **_: object) -> str:
    """Replace each marker of a page by its piece; mkdocs calls this for every page.

    Raises:
        KeyError: A page asks for a piece that does not exist.

    """
    return MARKER.sub(lambda match: PIECES[match[1]](), markdown)


# --- the tree -----------------------------------------------------------------------------------------------------


def tree() -> str:
    """Every folder of the code with what it is for, then a table of each folder's modules."""
    folders, tables = "| folder | what |\n|---|---|\n", []
    for folder in _packages():
        where = folder.relative_to(ROOT)
        indent = "&emsp;&emsp;" * (len(where.parts) - 1)
        folders += f"| {indent}`{where.name}/` | {_cell(_first_sentence(folder / '__init__.py'))} |\n"
        modules = [path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]
        if modules:
            rows = "\n".join(f"| `{path.name}` | {_cell(_first_sentence(path))} |" for path in modules)
            tables.append(f"### {where}/\n\n| file | what |\n|---|---|\n{rows}\n")
    return f"{folders}\n## The files\n\n" + "\n".join(tables)


def _packages() -> Iterator[Path]:
    """The folders with an ``__init__.py``, each before those in it; links lead to folders that are listed anyway."""
    waiting = [ROOT / name for name in reversed(ROOMS)]
    while waiting:
        folder = waiting.pop()
        yield folder
        inner = [path.parent for path in folder.glob("*/__init__.py") if not path.parent.is_symlink()]
        waiting += sorted(inner, reverse=True)


def _first_sentence(path: Path) -> str:
    """The first sentence of a module's docstring, with Markdown's single backticks."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(docstring.partition("\n\n")[0].split())
    return re.split(r"(?<=\.)\s+(?=[A-Z`])", paragraph, maxsplit=1)[0].replace("``", "`")


# --- import contracts -----------------------------------------------------------------------------------------------


def contracts() -> str:
    """The import contracts that import-linter checks, from pyproject.toml."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    return "\n".join(_contract(entry) for entry in tool["contracts"])


def _contract(entry: Mapping[str, object]) -> str:
    text = f"### {entry['name']}\n\n"
    for key, value in entry.items():
        if key in ("name", "type"):
            continue
        values = value if isinstance(value, list) else [value]
        if key == "layers":
            text += "From the top down; a layer imports only from layers below it:\n\n"
            text += "".join(f"1. {_names(str(layer).replace('|', ' ').split())}\n" for layer in values)
        else:
            text += f"- {key.replace('_', ' ')}: {_names(values)}\n"
    return text


def _names(names: Iterable[object]) -> str:
    return ", ".join(f"`{name}`" for name in names)


# --- commands -------------------------------------------------------------------------------------------------------


def commands() -> str:
    """Every command of ``ssmi-cli`` with its usage, help and options."""
    from ssmi.cli.main import cli

    return "\n".join(_command(cli, _context(cli, "ssmi-cli"), depth=2))


def _context(command: click.Command, name: str, parent: click.Context | None = None) -> click.Context:
    return command.context_class(command, info_name=name, parent=parent, **command.context_settings)


def _command(command: click.Command, context: click.Context, *, depth: int) -> Iterator[str]:
    import click

    usage = " ".join(command.collect_usage_pieces(context))
    yield f"{'#' * depth} {context.command_path}\n"
    yield f"```text\n{context.command_path} {usage}\n```\n"
    yield _paragraphs(command.help or "") + "\n"
    records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    rows = [f"| `{names.replace('|', chr(92) + '|')}` | {_cell(text)} |" for names, text in filter(None, records)]
    yield "| option | what |\n|---|---|\n" + "\n".join(rows) + "\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _command(inner, _context(inner, name, context), depth=depth + 1)


def _paragraphs(text: str) -> str:
    r"""Click's help as Markdown: paragraphs that ``\b`` protects keep their lines."""
    done = []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b\n"):
            done.append("```text\n" + paragraph.removeprefix("\b\n") + "\n```")
        else:
            done.append(_inline(" ".join(paragraph.split())))
    return "\n\n".join(done)


# --- parameters, tables, exit codes, Python -------------------------------------------------------------------------


def parameters() -> str:
    """Every parameter of params.yaml by section: type, default, meaning."""
    import json

    from ssmi import describe_parameters

    text, section = "", None
    for row in describe_parameters():
        if row.section != section:
            section = row.section
            text += f"\n## {section or 'top level'}\n\n| parameter | default | type | meaning |\n|---|---|---|---|\n"
        default = row.default if isinstance(row.default, str) else json.dumps(row.default)
        text += f"| `{row.key}` | `{default}` | {_cell(row.type)} | {_cell(row.description)} |\n"
    return text


def tables() -> str:
    """The Arrow schema of every table, with the comments of its columns in the source."""
    from ssmi.pipeline.contract.parquet import schema

    source = inspect.getsource(schema)
    body = ast.parse(source).body
    text = f"Schema version {schema.SCHEMA_VERSION}.\n"
    for statement, after in pairwise(body):
        if isinstance(statement, ast.Assign) and isinstance(after, ast.Expr):
            name = ast.unparse(statement.targets[0])
            columns, about = getattr(schema, name), ast.literal_eval(after.value)
            lines = source.splitlines()[statement.lineno - 1 : statement.end_lineno]
            text += _table(name, columns, about=about, lines=lines)
    return text + _table("BOUNDARIES", schema.boundaries(100), about=schema.boundaries.__doc__ or "", lines=[])


def _table(name: str, columns: pa.Schema, *, about: str, lines: Sequence[str]) -> str:
    text = f"\n## {name.lower()}\n\n{_inline(' '.join(about.split()))}\n\n| column | type | what |\n|---|---|---|\n"
    for field in columns:
        comment = next((line.partition("# ")[2] for line in lines if f'"{field.name}"' in line), "")
        text += f"| `{field.name}` | `{_arrow(str(field.type))}` | {_cell(comment)} |\n"
    return text


def _arrow(kind: str) -> str:
    """An Arrow type as a person writes it: the names of list items say nothing."""
    return re.sub(r"(item|element): ", "", kind)


def exit_codes() -> str:
    """The exit codes, from the tree of errors."""
    from ssmi.cli.failures import INTERRUPTED
    from ssmi.pipeline.contract.errors import SsmiError

    kinds = [SsmiError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    rows = ["| 0 | | done |"]
    for kind in sorted(kinds, key=lambda kind: kind.exit_code):
        about = inspect.getdoc(kind) or ""
        rows.append(f"| {kind.exit_code} | `{kind.__name__}` | {_cell(' '.join(about.split()))} |")
    rows.append(f"| {INTERRUPTED} | | interrupted by Ctrl-C, SIGTERM or SIGHUP (a terminal that is closed) |")
    return "| code | error | when |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def python() -> str:
    """A mkdocstrings block for every public name of ``ssmi``."""
    import ssmi

    values = [getattr(ssmi, name) for name in sorted(ssmi.__all__, key=str.lower)]
    return "\n".join(f"::: {value.__module__}.{value.__qualname__}\n" for value in values)


def _file(name: str) -> Callable[[], str]:
    """A file of the repository's top as a page."""
    return lambda: (ROOT / name).read_text(encoding="utf-8")


def _escape(text: str) -> str:
    return text.replace("<", "&lt;").replace("*", r"\*").replace("_", r"\_")


def _inline(text: str) -> str:
    """Text in which only backticks mean anything; what stands between them stays as it is."""
    parts = re.split(r"(``?[^`]+``?)", text)
    return "".join(part.replace("``", "`") if part.startswith("`") else _escape(part) for part in parts)


def _cell(text: str) -> str:
    return _inline(text).replace("|", r"\|")


PIECES: Mapping[str, Callable[[], str]] = {
    "tree": tree,
    "contracts": contracts,
    "commands": commands,
    "parameters": parameters,
    "tables": tables,
    "exit-codes": exit_codes,
    "python": python,
    "CONTRIBUTING.md": _file("CONTRIBUTING.md"),
    "CHANGELOG.md": _file("CHANGELOG.md"),
}

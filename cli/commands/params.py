"""``ssmi-cli params``: meaning, type, default and present value of each parameter."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from ssmi.cli import completion
from ssmi.cli.options import json_option
from ssmi.cli.session import Session

if TYPE_CHECKING:
    from ssmi.pipeline.contract.parameters.help import ParameterHelp


@click.command()
@click.argument("name", metavar="[SECTION[.KEY]]", required=False, shell_complete=completion.parameter_names)
@json_option
@click.pass_obj
def params(session: Session, name: str | None, as_json: bool) -> None:
    """Explain the parameters: type, default, meaning and, inside a project, the present value."""
    from ssmi.pipeline.contract.parameters.help import describe_parameters

    rows = describe_parameters(name)
    values = _present_values(session)
    present = [
        None if values is None else (values[row.section][row.key] if row.section else values[row.key]) for row in rows
    ]
    if as_json:
        bodies = [
            {
                "name": row.name,
                "type": row.type,
                "default": row.default,
                **({} if values is None else {"value": value}),
                "description": row.description,
            }
            for row, value in zip(rows, present, strict=True)
        ]
        click.echo(json.dumps(bodies, ensure_ascii=False, indent=1))
        return
    for row, value in zip(rows, present, strict=True):
        click.echo(_entry(row, value=value, in_project=values is not None))


def _present_values(session: Session) -> dict[str, Any] | None:
    """Values of params.yaml by section; None outside a project, or, with a note, if the file is invalid."""
    from ssmi.pipeline.contract.errors import ParameterError

    if session.project_folder is None:
        return None
    try:
        return session.params().model_dump(mode="json")
    except ParameterError as error:  # a person who has to correct the file needs this help most
        session.reporter.note(f"{error.message}; the defaults are shown")
        return None


def _entry(row: ParameterHelp, *, value: object, in_project: bool) -> str:
    """One line with the value, then the description and the type, indented."""
    shown = value if in_project else row.default
    head = f"{row.name}: {_yaml(shown)}"
    if in_project and value != row.default:
        head += f"    (default: {_yaml(row.default)})"
    # 88 columns even on a wider terminal: longer lines are hard to read.
    body = click.wrap_text(f"{row.description} [{row.type}]", 88, initial_indent="    ", subsequent_indent="    ")
    return f"{head}\n{body}"


def _yaml(value: object) -> str:
    """A value as written in params.yaml."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

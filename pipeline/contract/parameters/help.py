"""The help of every parameter as typed rows, read from the fields of the sections."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ssmi.pipeline.contract.arguments import checked
from ssmi.pipeline.contract.errors import ParameterError, name_hint
from ssmi.pipeline.contract.parameters.params import Params

_Schema = Mapping[str, Any]
_NO_LIMIT = 2**31
"""The limit of whole numbers that only a typing mistake reaches, which descriptions leave out."""
_WORDS = {"string": "text", "integer": "whole number", "number": "number", "null": "null"}


@dataclass(frozen=True, slots=True)
class ParameterHelp:
    """One parameter of params.yaml.

    Attributes:
        section: Section of the parameter; empty for a parameter at the top of the file.
        key: Name of the parameter in its section.
        type: Allowed values in words: ``input, none or output``, ``whole number, at least 1, or null``.
        choices: The allowed words, in the schema's order; empty if other values are allowed too.
        default: Value of the parameter if params.yaml does not set it, as plain JSON.
        description: Meaning of the parameter, as sentences that end in a period.

    """

    section: str
    key: str
    type: str
    choices: tuple[str, ...]
    default: object
    description: str

    @property
    def name(self) -> str:
        """Full name of the parameter, which ``-S`` takes before the equals sign."""
        return f"{self.section}.{self.key}" if self.section else self.key


@checked
def describe_parameters(name: str | None = None) -> list[ParameterHelp]:
    """Describe the parameters of params.yaml, in the order of the file.

    Args:
        name: A section or ``section.key``; None for all parameters.

    Returns:
        One row per parameter.

    Raises:
        ParameterError: No section or parameter has this name.

    """
    schema = Params.model_json_schema()
    defaults = Params().model_dump(mode="json")
    rows = []
    for top, about in schema["properties"].items():
        # A parameter at the top of the file, in no section.
        if "$ref" not in about:
            rows.append(_row("", top, about, defaults[top]))
            continue
        for key, field in _resolve(about, schema)["properties"].items():
            rows.append(_row(top, key, field, defaults[top][key]))
    if name is None:
        return rows
    chosen = [row for row in rows if name in (row.section, row.name)]
    if not chosen:
        sections = list(schema["properties"])
        known = [*sections, *(row.name for row in rows)]
        raise ParameterError(f"{name}: no such section or parameter", next_step=name_hint(name, known, listed=sections))
    return chosen


def render(datasets: Sequence[str]) -> str:
    """Write the text of a params.yaml with every default; a comment lists the choices of a parameter that has any.

    Args:
        datasets: The data sets to list in the file.
    """
    lines = [
        "# Every value here is a default. `ssmi-cli params [SECTION[.KEY]]` says what each means and may be.",
        # As JSON, because YAML may read a plain name as a number or a boolean.
        f"datasets: {json.dumps(list(datasets), ensure_ascii=False)}",
        "corpora: []",
    ]
    section = ""
    for row in describe_parameters():
        if not row.section:
            continue
        if row.section != section:
            section = row.section
            lines += ["", f"{section}:"]
        value = row.default if isinstance(row.default, str) else json.dumps(row.default)
        choices = f"  # {row.type}" if row.choices else ""
        lines.append(f"  {row.key}: {value}{choices}")
    return "\n".join(lines) + "\n"


def _resolve(field: _Schema, schema: _Schema) -> _Schema:
    """Return a section's schema, which pydantic stores separately and refers to by name."""
    definition: _Schema = schema["$defs"][field["$ref"].rpartition("/")[2]]
    return definition


def _row(section: str, key: str, field: _Schema, default: object) -> ParameterHelp:
    return ParameterHelp(section, key, _type(field), _choices(field), default, field["description"])


def _choices(field: _Schema) -> tuple[str, ...]:
    """Return the words that a field's JSON schema allows; empty if it allows anything else."""
    return tuple(field["enum"]) if field.get("type") == "string" and "enum" in field else ()


def _type(field: _Schema) -> str:
    """Describe a field's JSON schema in words."""
    if "anyOf" in field:
        return ", or ".join(map(_type, field["anyOf"]))
    if "const" in field:
        return str(field["const"])
    if choices := _choices(field):
        return f"{', '.join(choices[:-1])} or {choices[-1]}"
    if field["type"] == "boolean":
        return "true or false"
    if field["type"] == "array":
        return f"list of {_type(field['items'])}"
    return ", ".join([_WORDS[field["type"]], *_limits(field)])


def _limits(field: _Schema) -> list[str]:
    limits = {
        "minimum": "at least {}",
        "exclusiveMinimum": "above {}",
        "maximum": "at most {}",
        "exclusiveMaximum": "below {}",
        "multipleOf": "a multiple of {}",
    }
    return [
        text.format(_number(field[name])) for name, text in limits.items() if field.get(name, _NO_LIMIT) != _NO_LIMIT
    ]


def _number(value: float) -> str:
    return "2^63" if value == 2**63 else f"{value:,g}"

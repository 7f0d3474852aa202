"""Rendering of the page from its content with the templates of this package.

Jinja escapes all text, and fails on names that the content lacks. Only the charts, the style sheet and the script are
inserted unescaped; all three are made by this program.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ssmi.charts.style import percent
from ssmi.report.content import KIND_NAMES, PageContent

_TEMPLATES = Path(__file__).parent / "templates"


def render(content: PageContent) -> str:
    """Return the page as a single HTML file that needs no network. The same content gives the same bytes."""
    return (
        _environment()
        .get_template("page.html")
        .render(
            content=content,
            kind_names=KIND_NAMES,
            script_data={
                "labels": content.errors.labels,
                "sentences": content.errors.sentences,
                "errors": content.errors.errors,
                "kinds": KIND_NAMES,
                "reads": content.reads,
            },
            style=(_TEMPLATES / "page.css").read_text(encoding="utf-8"),
            script=(_TEMPLATES / "page.js").read_text(encoding="utf-8"),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.policies["json.dumps_function"] = _dumps
    # By default, Jinja passes sort_keys to _dumps, which takes only the value.
    environment.policies["json.dumps_kwargs"] = {}
    environment.filters["points"] = lambda ratio: f"{100 * ratio:.2f}"
    environment.filters["count"] = lambda n: f"{n:,}"
    environment.filters["percent"] = percent
    return environment


def _dumps(value: object) -> str:
    """Serialise for ``tojson``, which then escapes what could end a script element; dataclasses become objects."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_fields)
    # These two characters end a line in old versions of JavaScript.
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}

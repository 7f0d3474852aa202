"""The page: a template, a style sheet and a script of this package, filled with what was gathered."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_MARK = re.compile(r"\{\{(\w+)\}\}")
_FOR_SCRIPT = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})


def fill(*, title: str, html: Mapping[str, str], data: Mapping[str, Any]) -> str:
    """The whole page, which needs nothing else and may ask for nothing else.

    ``html`` is put in as it stands, by the names of the template's marks; ``title`` is escaped; ``data`` is what the
    script reads. KeyError for a mark that nothing fills.
    """
    parts = {
        **html,
        "title": escape(title),
        "style": _read("page.css"),
        "script": _read("page.js"),
        "data": embedded(data),
    }
    # One pass: what is put in is not looked at again.
    return _MARK.sub(lambda mark: parts[mark[1]], _read("page.html"))


def embedded(value: Any) -> str:
    """JSON for a script element: nothing in it can end the element or start a comment."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).translate(_FOR_SCRIPT)


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")

"""The standard streams as this program wants them, whatever the machine's locale."""

from __future__ import annotations

import io
import sys
from typing import TextIO


def utf8_stdout() -> TextIO:
    """Stdout, made to write UTF-8 and plain newlines where it is a real stream."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    return sys.stdout

"""Valid names of data sets: a name is used for folders and in shell commands, and may come from somebody else."""

from __future__ import annotations

from typing import Literal
from unicodedata import category

from ssmi.pipeline.contract.errors import ParameterError

LONGEST_NAME = 200
"""Maximum number of bytes in a data set's name: file systems allow 255, and temporary names are longer."""
_BLANK_LETTERS = "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\ufe0e\ufe0f"
"""Characters that Unicode counts as letters or marks but that are invisible: names with them would look alike."""


def check_dataset_name(name: str, *, of: Literal["data set", "corpus"] = "data set") -> str:
    """Return a data set's name if it can name a folder below ``artifacts/<stage>/`` and nothing else, in any shell.

    A name consists of letters and digits of any script, ``-``, ``_``, ``.`` and blanks, which may not be at its edges.

    Raises:
        ParameterError: The name is empty, is longer than ``LONGEST_NAME``, begins with a dot or a dash, or contains
            anything else, such as slashes, quotes, ``$``, ``;``, ``@`` or line ends.
    """
    odd = sorted({character for character in name if not _may_be_in_name(character)})
    too_long = len(name.encode("utf-8", "replace")) > LONGEST_NAME
    if odd or too_long or not name or name.startswith((".", "-")) or name != name.strip():
        because = f" ({' '.join(map(ascii, odd))} in it)" if odd else f" (over {LONGEST_NAME} bytes)" * too_long
        remedy = (
            "put its files into data/NAME/ (or $SSMI_DATA/NAME/) and say --dataset NAME"
            if of == "data set"
            else "rename its folder or file to NAME"
        )
        raise ParameterError(
            f"{of} {name!r}: not a plain name{because}",
            next_step=f"{remedy}; NAME holds letters, digits, - _ . and blanks within",
        )
    return name


def _may_be_in_name(character: str) -> bool:
    # M is included: combining accents and vowel signs are parts of words.
    return character in "-_. " or (category(character)[0] in "LMN" and character not in _BLANK_LETTERS)

"""Matplotlib as this program uses it: a picture whole or not at all, the same bytes each time, and a font for Chinese.

Only this file and the ``plot`` modules of ``ablation``, ``evaluation`` and ``explain`` import matplotlib.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font

from ssmi.pipeline.contract.errors import MissingResourceError
from ssmi.pipeline.contract.tables import writing

PREFERRED = ("NotoSansCJK", "NotoSansSC", "SourceHanSans", "wqy-", "msyh", "PingFang", "Hiragino", "simhei", "Droid")
"""How the files of fonts that look well here begin; others follow by name."""


@contextmanager
def drawing(path: Path, *, height: float, width: float = 7.0) -> Iterator[Axes]:
    """Axes that become a picture, svg or png by the file's ending, whole or not at all; sizes in inches.

    Neither a person's matplotlib settings nor a clock get into it.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams["svg.hashsalt"] = "ssmi"
        form = path.suffix.removeprefix(".")
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure.add_subplot()
        metadata = {"Date": None, "Creator": None} if form == "svg" else {"Software": None}
        with writing(path) as temporary:
            figure.savefig(temporary, format=form, dpi=150, metadata=metadata)


def find_cjk_font(text: str, *, fonts: Iterable[Path] | None = None) -> Path:
    """An installed font file (or one of ``fonts``) that can write every character of ``text``.

    Raises MissingResourceError, saying what to install, where there is none.
    """
    # Asked of the system, not of matplotlib's own list: that is a cache which misses a font just installed.
    files = [Path(name) for name in font_manager.findSystemFonts()] if fonts is None else list(fonts)
    wanted = {ord(character) for character in text}
    for path in sorted(files, key=_preference):
        if _writes(path, wanted):
            return path
    raise MissingResourceError(
        f"no installed font can write {text}",
        next_step="install one: `apt-get install fonts-noto-cjk` (or fonts-wqy-zenhei), `dnf install"
        " google-noto-sans-cjk-fonts`, `brew install font-noto-sans-cjk-sc`; then ask again",
    )


def _preference(path: Path) -> tuple[int, int, str]:
    place = next((number for number, start in enumerate(PREFERRED) if path.name.startswith(start)), len(PREFERRED))
    # Of one family the regular weight, and the variable or compressed files of others last.
    return place, 0 if "Regular" in path.stem else 1, path.name


def _writes(path: Path, wanted: set[int]) -> bool:
    try:
        return wanted <= FT2Font(str(path)).get_charmap().keys()
    except (OSError, RuntimeError):  # not a font, or of a kind that FreeType does not know
        return False

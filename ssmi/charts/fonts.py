"""Find a font with Chinese characters, which matplotlib's default font lacks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ssmi.charts.backend import FT2Font, findSystemFonts
from ssmi.pipeline.contract.errors import MissingResourceError

PREFERRED = ("NotoSansCJK", "NotoSansSC", "SourceHanSans", "wqy-", "msyh", "PingFang", "Hiragino", "simhei", "Droid")
"""Prefixes of the file names of preferred fonts, best first; all other fonts follow by name."""


def find_cjk_font(text: str, *, fonts: Iterable[Path] | None = None) -> Path:
    """Find a font file that has a glyph for every character of ``text``.

    Args:
        text: The text that the font must be able to write.
        fonts: The files to choose from; None for all installed fonts.

    Returns:
        The most preferred of the fonts that have all the glyphs.

    Raises:
        MissingResourceError: No font has all the glyphs; the message says what to install.
    """
    # Ask the system: matplotlib's cached font list lacks fonts that were installed later.
    files = [Path(name) for name in findSystemFonts()] if fonts is None else list(fonts)
    code_points = {ord(character) for character in text}
    for path in sorted(files, key=_preference):
        if _has_glyphs(path, code_points):
            return path
    raise MissingResourceError(
        f"no installed font can write {text}",
        next_step="install one: `apt-get install fonts-noto-cjk` (or fonts-wqy-zenhei), `dnf install"
        " google-noto-sans-cjk-fonts`, `brew install font-noto-sans-cjk-sc`; then ask again",
    )


def _preference(path: Path) -> tuple[int, bool, str]:
    rank = next((index for index, start in enumerate(PREFERRED) if path.name.startswith(start)), len(PREFERRED))
    # Within a family, the regular weight comes first.
    return rank, "Regular" not in path.stem, path.name


def _has_glyphs(path: Path, code_points: set[int]) -> bool:
    try:
        return code_points <= FT2Font(str(path)).get_charmap().keys()
    except (OSError, RuntimeError):  # not a font, or in a format that FreeType does not support
        return False

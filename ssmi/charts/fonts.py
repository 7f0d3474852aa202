"""A font for Chinese: matplotlib's own has no Chinese characters."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ssmi.charts.backend import FT2Font, findSystemFonts
from ssmi.pipeline.contract.errors import MissingResourceError

PREFERRED = ("NotoSansCJK", "NotoSansSC", "SourceHanSans", "wqy-", "msyh", "PingFang", "Hiragino", "simhei", "Droid")
"""How the file names of the preferred fonts begin, best first; all others follow by name."""


def find_cjk_font(text: str, *, fonts: Iterable[Path] | None = None) -> Path:
    """Find a font file that has a glyph for every character of ``text``.

    Args:
        text: What the font must be able to write.
        fonts: The files to choose from; None for all installed fonts.

    Returns:
        The preferred one of the fonts that have all the glyphs.

    Raises:
        MissingResourceError: No font has them; the error says what to install.
    """
    # matplotlib's own font list is a cache that misses a font installed since: ask the system.
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
    except (OSError, RuntimeError):  # not a font, or of a kind that FreeType does not know
        return False

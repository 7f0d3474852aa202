"""Segmented and tagged text, one sentence per line: ``李/nr  建国/nr  在/p  [东海/ns  银行/n]nt``.

The format of the People's Daily corpus (PFR) and similar corpora, and of MSRA's ``word/tag`` files. Words are joined
without the blanks between them; brackets enclose compounds; an id like ``19980101-01-001-001/m`` at the start of a line
is not text. Without a tag map, words and compounds tagged nr…, ns… and nt… are entities of the types nr, ns and nt
(``nrf`` and ``nr1`` are nr too).

A family name and the given name after it form one person: two adjacent words, both tagged nr…, the first of one
character or a family name of two characters, the second of one or two characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ssmi.pipeline.contract.errors import InputDataError, at_line
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.readers.entities.characters import JOINED_WORDS, joins_words
from ssmi.pipeline.readers.entities.spans import without_overlaps
from ssmi.pipeline.readers.options import ReadOptions
from ssmi.pipeline.readers.raw.lines import numbered_lines, stray_return
from ssmi.pipeline.readers.sentence import ReadReport, Sentence

ENTITY_TAGS = ("nr", "ns", "nt")
FAMILY_NAMES = frozenset(
    re.findall(
        "..",
        "欧阳太史端木上官司马东方独孤南宫万俟闻人夏侯诸葛尉迟公羊赫连澹台皇甫宗政濮阳公冶太叔申屠公孙慕容仲孙钟离长孙宇文"
        "司徒鲜于司空闾丘令狐百里呼延东郭南门西门第五",
    )
)
"""Surnames of two characters."""

_WORD = re.compile(r"(\[*)(.+?)/([A-Za-z]\w*)((?:\]/?[A-Za-z]\w*)*)", re.ASCII)
_CLOSING = re.compile(r"\]/?([A-Za-z]\w*)", re.ASCII)
_LINE_ID = re.compile(r"\d{8}-\d{2}-\d{3}-\d{3}(?:/m)?", re.ASCII)
_LONGEST_GIVEN_NAME = 2


def looks_like_slash(lines: list[str]) -> bool:
    """Whether the first line consists only of words with a slash and a tag."""
    return bool(lines) and all(_WORD.fullmatch(word) or _LINE_ID.fullmatch(word) for word in _words(lines[0]))


def read_slash(path: Path, options: ReadOptions, report: ReadReport) -> Iterator[Sentence]:
    """Yield the sentence of each line; blank lines are ignored.

    ``options.tag_map`` lists the tags that are entities, with their types; other tags are not entities. Of nested
    entities the outermost is kept, and each inner one is counted as skipped. Words that are joined although usually
    written with a blank (``joins_words``) are counted as repairs.

    Raises:
        InputDataError: With ``file:line:word``, for words without a tag and unbalanced brackets; with ``file:line`` for
            a carriage return inside a line.
    """
    types = _Types(options.tag_map)
    has_ids = False
    for number, line in numbered_lines(path, encoding=options.encoding):
        if "\r" in line:
            raise stray_return(at_line(path, number))
        words = _words(line)
        if words and _LINE_ID.fullmatch(words[0]):
            del words[0]
            has_ids = True
        if not words:
            continue
        yield _sentence(words, path=path, line=number, types=types, report=report)
    if has_ids:
        report.notes.append("lines begin with an id (19980101-01-001-001/m): it is dropped")
    report.notes.append(types.note())


def _words(line: str) -> list[str]:
    # Not str.split(), because U+3000 and similar are words in these corpora.
    return [word for word in line.replace("\t", " ").split(" ") if word]


class _Types:
    """Maps tags to entity types, and records which tags occurred."""

    def __init__(self, tag_map: Mapping[str, str] | None) -> None:
        self._map = tag_map
        self._default = {tag: tag for tag in ENTITY_TAGS}
        self._met: dict[str, str] = {}

    def __call__(self, tag: str) -> str | None:
        kind = self._default.get(tag[:2]) if self._map is None else self._map.get(tag)
        if kind is not None:
            self._met[tag] = kind
        return kind

    def note(self) -> str:
        """Describe which tags were taken for entities, and which tags of the tag map did not occur."""
        met = ", ".join(f"{tag} as {kind}" for tag, kind in sorted(self._met.items()))
        unmet = sorted(set(self._map or ()) - self._met.keys())
        vain = f"; the tag map names {', '.join(unmet)}, which no word has" if unmet else ""
        return f"tags taken for entities: {met or 'none'}{vain}"


def _sentence(words: list[str], *, path: Path, line: int, types: _Types, report: ReadReport) -> Sentence:
    characters: list[str] = []
    spans: list[Span] = []
    opened: list[int] = []
    family: Span | None = None
    before = ""
    for position, written in enumerate(words, start=1):
        where = f"{at_line(path, line)}:{position}"
        match = _WORD.fullmatch(written)
        if match is None:
            raise _wrong(where, f"{written!r} is not a word with a slash and a tag")
        brackets, word, tag, closings = match.groups()
        opened += [len(characters)] * len(brackets)
        start, end = len(characters), len(characters) + len(word)
        characters += word
        if joins_words(before, word):
            report.repair(JOINED_WORDS, line)
        before = word
        if brackets:
            family = None
        kind = types(tag)
        family = None if kind is None else _person(family, Span(start, end, kind), word=word, tag=tag, spans=spans)
        for closing in _CLOSING.findall(closings):
            if not opened:
                raise _wrong(where, "a closing bracket without an opening one")
            outer, kind = opened.pop(), types(closing)
            if kind is not None:
                spans.append(Span(outer, end, kind))
            family = None
    if opened:
        raise _wrong(at_line(path, line), "a bracket that is never closed")
    return Sentence(tuple(characters), without_overlaps(spans, line=line, report=report), line)


def _person(family: Span | None, name: Span, *, word: str, tag: str, spans: list[Span]) -> Span | None:
    """Add a name to the entities, merged with a preceding family name; return it if it may be a family name itself."""
    if family is not None and tag.startswith("nr") and len(word) <= _LONGEST_GIVEN_NAME and family.label == name.label:
        spans[-1] = Span(family.start, name.end, name.label)
        return None
    spans.append(name)
    return name if tag.startswith("nr") and (len(word) == 1 or word in FAMILY_NAMES) else None


def _wrong(where: str, what: str) -> InputDataError:
    return InputDataError(
        f"{where}: {what}",
        next_step="write each word with its tag, blanks between them: 李/nr 建国/nr 在/p [东海/ns 银行/n]nt",
    )

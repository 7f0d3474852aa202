"""Entities that a user names beforehand: words with labels, merged with the entities that a tagger finds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import get_args

from ssmi.model.text_tagging import TaggedSpan
from ssmi.pipeline.contract.errors import InputDataError, ParameterError, at_line, name_hint
from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.contract.text.encodings import replace_surrogates
from ssmi.pipeline.contract.text.wording import counted
from ssmi.pipeline.contract.text.words import cuts_word, edges
from ssmi.pipeline.features.text.blanks import visible_stretches
from ssmi.pipeline.features.trie import Trie
from ssmi.pipeline.readers.documents import NotTextError
from ssmi.pipeline.readers.raw.lines import EncodingError, numbered_lines
from ssmi.predict.entity import Mode, Source, Words

MODES: tuple[Mode, ...] = get_args(Mode)
FORM = "write: word, a tab, label and, if it is to replace what the tagger finds, a tab and force"


@dataclass(frozen=True, slots=True)
class UserEntity:
    """A word, as the tagger sees it, that is an entity wherever it occurs."""

    word: str
    label: str
    mode: Mode
    where: str
    """Origin of the word: ``file:line``, or the word as given."""


@dataclass(frozen=True, slots=True)
class Match:
    """An occurrence of a user entity in a text."""

    span: Span
    mode: Mode


@dataclass(frozen=True, slots=True)
class MergedEntity:
    """An entity of the output, found by the tagger or named by the user."""

    span: Span
    score: float
    source: Source


# No slots: cached_property keeps the trie in __dict__.
@dataclass(frozen=True)
class UserEntities:
    """All user entities of a file or mapping; can be pickled and compared."""

    entities: tuple[UserEntity, ...] = ()
    notes: tuple[str, ...] = ()
    """Notes about the file for the user."""

    @classmethod
    def read(cls, given: str | Path | Words) -> UserEntities:
        """Read a UTF-8 file, or take a mapping.

        A line consists of a word, a tab, a label and, optionally, a tab and a mode. In a line without tabs, blanks
        separate these columns, and the word itself may contain blanks. Empty lines and comments are skipped; a comment
        begins with ``#``, or with ``# `` if it is indented. Words are compared as the tagger sees them, without the
        blanks that do not separate words. A repeated entry counts once, and is noted.

        Args:
            given: The file, or a mapping from word to label or to label and mode.

        Returns:
            The entities, with notes about them.

        Raises:
            MissingResourceError: The file does not exist.
            InputDataError: A line does not have this form, or a word has two labels or modes; the message names
                ``file:line``, or the word of a mapping.
            ParameterError: A value of the mapping is neither a label nor a label and a mode.
        """
        rows = _of_mapping(given) if isinstance(given, Mapping) else _of_file(Path(given))
        known: dict[str, UserEntity] = {}
        notes = []
        for one in rows:
            first = known.setdefault(one.word, one)
            if (first.label, first.mode) != (one.label, one.mode):
                raise InputDataError(
                    f"{one.where}: {one.word!r} is {one.label} ({one.mode}), but {first.label} ({first.mode}) at"
                    f" {first.where}",
                    next_step="keep one of the two",
                )
            if first is not one:
                notes.append(f"{one.where}: {one.word!r} stands at {first.where} already")
        if not known:
            notes.append(f"{'the mapping' if isinstance(given, Mapping) else given}: names no entity")
        return cls(tuple(known.values()), tuple(notes))

    def notes_for(self, entity_types: Sequence[str], *, longest: int) -> list[str]:
        """``notes``, plus notes for a run with these entity types that reads ``longest`` characters at once."""
        more = [
            f"{one.where}: a word of {len(one.word):,} characters never matches; {longest:,} are read at once"
            for one in self.entities
            if len(one.word) > longest
        ]
        unknown: dict[str, UserEntity] = {}
        for one in self.entities:
            if one.label not in entity_types:
                unknown.setdefault(one.label, one)
        more += [
            f"{one.where}: {label} is not a type of the run, so its entities have the score 0"
            for label, one in unknown.items()
        ]
        return [*self.notes, *more]

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels in order of first occurrence."""
        return tuple(dict.fromkeys(one.label for one in self.entities))

    def get(self, word: str) -> UserEntity | None:
        """The entity of a word, compared without blanks that do not separate words; None if there is none."""
        return next((one for one in self.entities if one.word == _as_seen(word)), None)

    def matches(self, text: str) -> list[Match]:
        """All occurrences in the visible text, by (start, end), that do not cut a Latin word or a number."""
        if not self.entities:
            return []
        # One character replaces one, so positions stay; the words of the trie were changed in the same way (_as_seen).
        occurrences = self._trie.matches(replace_surrogates(text))
        if not occurrences:
            return []
        kinds = edges(text)
        named = ((start, end, self.entities[number - 1]) for start, end, number in occurrences)
        return [
            Match(Span(start, end, one.label), one.mode)
            for start, end, one in named
            if not cuts_word(start, end, kinds)
        ]

    @cached_property
    def _trie(self) -> Trie:
        return Trie.build([one.word for one in self.entities])

    def __reduce__(self) -> tuple[object, ...]:
        # Without the trie, which is rebuilt on demand.
        return (type(self), (self.entities, self.notes))


def merge_entities(
    tagged: Sequence[TaggedSpan], named: Sequence[Match], *, n_characters: int, min_score: float
) -> list[MergedEntity]:
    """Merge the entities that a tagger found with probability ``min_score`` or more with the user's; none overlap.

    Forced entities come first and replace every entity they overlap; then the tagger's; then entities to add, where
    nothing else is. Among forced entities, and among those to add, longer spans take precedence over shorter ones, then
    left over right. The score of a user entity is the tagger's probability of exactly this span and type, 0 if it does
    not know the type; ``min_score`` does not apply to user entities.
    """
    asked = {one.span: one.probability for one in tagged if one.extra}
    taken = bytearray(n_characters)
    forced = _place_longest_first([match.span for match in named if match.mode == "force"], taken)
    of_model = [
        MergedEntity(one.span, one.probability, "model")
        for one in tagged
        if not one.extra and one.probability >= min_score and not any(taken[one.span.start : one.span.end])
    ]
    for one in of_model:
        _mark_taken(one.span, taken)
    added = _place_longest_first([match.span for match in named if match.mode == "add"], taken)
    of_file = [MergedEntity(span, asked.get(span, 0.0), "file") for span in (*forced, *added)]
    return sorted((*of_model, *of_file), key=lambda one: one.span)


def _place_longest_first(spans: Iterable[Span], taken: bytearray) -> list[Span]:
    """Spans that overlap nothing taken, longest first; marks their characters as taken."""
    placed = []
    for span in sorted(spans, key=lambda span: (span.start - span.end, span.start)):
        if not any(taken[span.start : span.end]):
            _mark_taken(span, taken)
            placed.append(span)
    return placed


def _mark_taken(span: Span, taken: bytearray) -> None:
    taken[span.start : span.end] = b"\x01" * (span.end - span.start)


def _of_mapping(words: Words) -> Iterator[UserEntity]:
    for word, value in words.items():
        given = (value, "add") if isinstance(value, str) else value
        if not isinstance(word, str) or not (
            isinstance(given, tuple) and len(given) == 2 and all(isinstance(one, str) for one in given)
        ):
            raise ParameterError(
                f"entities[{word!r}]={value!r}: neither a label nor a label and a mode",
                next_step='give "LABEL" or ("LABEL", "force")',
            )
        yield _entity(word, *given, where=repr(word))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        yield from numbered_lines(path)
    except EncodingError as error:  # the advice of the readers of data sets does not help here
        raise InputDataError(error.message, next_step="save it as UTF-8") from error
    except NotTextError as error:
        step = error.unpack_or("write a word, a tab and its label on each line")
        raise InputDataError(error.message, next_step=step) from error


def _of_file(path: Path) -> Iterator[UserEntity]:
    for number, line in _lines(path):
        # an indented word may begin with #; an indented comment has a blank after it
        if line.strip() and not (line.startswith("#") or line.lstrip().startswith("# ")):
            where = at_line(path, number)
            yield _entity(*_fields(line, where=where), where=where)


def _fields(line: str, *, where: str) -> tuple[str, str, str]:
    fields = [field.strip() for field in line.rstrip().split("\t")]
    if len(fields) == 1:
        words = line.split()
        n_last = 2 if len(words) > 2 and words[-1] in MODES else 1
        fields = [" ".join(words[:-n_last]), *words[-n_last:]]
    if len(fields) not in (2, 3):
        raise InputDataError(
            f"{where}: {counted(len(fields), 'column')}, where two or three are expected", next_step=FORM
        )
    return fields[0], fields[1], fields[2] if len(fields) == 3 else "add"


def _entity(word: str, label: str, mode: str, *, where: str) -> UserEntity:
    seen = _as_seen(word)
    if not seen:
        raise InputDataError(f"{where}: no word, or no label", next_step=FORM)
    if not label or any(map(str.isspace, label)):
        raise InputDataError(f"{where}: the label {label!r} is empty or holds a blank", next_step=FORM)
    for known in MODES:
        if mode == known:
            return UserEntity(seen, label, known, where)
    raise InputDataError(f"{where}: unknown mode {mode!r}: {name_hint(mode, MODES)}", next_step=FORM)


def _as_seen(word: str) -> str:
    return "".join(stretch.text for stretch in visible_stretches(replace_surrogates(word)))

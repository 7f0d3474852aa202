"""Tables that ``data check`` shows about a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ssmi.data_check import DataCheck, DatasetReport, LineUse

Cells = tuple[object, ...]


class Table(NamedTuple):
    """A table with its title."""

    title: str
    header: tuple[str, ...]
    rows: Sequence[Cells]


def tables_of(report: DatasetReport) -> list[Table]:
    """All findings of the check. Tables without rows are omitted, except those of the splits and the entities."""
    check = report.check
    names = list(check.splits)
    types = sorted({kind for split in check.splits.values() for kind in split.entities})
    by_type = [(kind, *(split.entities.get(kind, 0) for split in check.splits.values())) for kind in types]
    optional = [
        *_findings(check, report.files.notes),
        Table("Sentences in two splits", ("split", "also in", "sentences", "tagged differently"), _overlaps(check)),
        Table("Unknown characters", ("split", "most frequent"), _unknown(check)),
        Table("Types that train lacks", ("type", "examples"), list(check.types_unseen_in_train.items())),
        Table("Types that differ in case only", ("types",), [(", ".join(names),) for names in check.types_alike]),
        Table("Types with few examples in train", ("type", "examples"), list(check.rare_types.items())),
        _user_dictionary(report.user_dictionary or ()),
    ]
    return [
        Table("Splits", ("", *names), _counts(check)),
        Table("Entities", ("type", *names), by_type),
        *(table for table in optional if table.rows),
    ]


def _counts(check: DataCheck) -> list[Cells]:
    splits = check.splits.values()
    rows: list[Cells] = [
        ("file", *(split.file for split in splits)),
        ("format", *(split.format for split in splits)),
        ("tag scheme", *(split.scheme or "-" for split in splits)),
        ("sentences", *(split.sentences for split in splits)),
        ("characters", *(split.characters for split in splits)),
        ("longest sentence", *(split.longest_sentence for split in splits)),
        ("longer than the encoder's window", *(split.too_long.count for split in splits)),
        ("without an entity", *(split.sentences_without_entity for split in splits)),
        ("duplicates", *(split.duplicates for split in splits)),
        ("texts with conflicting tags", *(split.texts_tagged_two_ways for split in splits)),
        ("characters unknown to the encoder", *(split.unknown_characters.count for split in splits)),
    ]
    matches = [split.vocabulary for split in splits if split.vocabulary]
    if len(matches) == len(splits):
        rows += [
            ("share of characters in a vocabulary word", *(match.covered_characters for match in matches)),
            ("share of entities that are a vocabulary word", *(match.matched_entities for match in matches)),
        ]
    compared = [split.segmenters for split in splits if split.segmenters]
    if compared:
        rows += [
            ("sentences segmented by jieba and by rjieba", *(match.compared_sentences for match in compared)),
            ("of these, segmented differently", *(match.differing_sentences for match in compared)),
        ]
    return rows


def _findings(check: DataCheck, notes: Sequence[str]) -> list[Table]:
    findings: list[Cells] = [
        (name, kind, reason, finding.count, ", ".join(map(str, finding.first_lines)))
        for name, split in check.splits.items()
        for kind, reasons in (("repaired", split.repairs), ("left out", split.skipped))
        for reason, finding in reasons.items()
    ]
    all_notes: list[Cells] = [("", note) for note in notes]
    all_notes += [(name, note) for name, split in check.splits.items() for note in split.notes]
    return [
        Table("Repaired or left out", ("split", "what", "reason", "count", "first lines"), findings),
        Table("Notes", ("split", "note"), all_notes),
    ]


def _overlaps(check: DataCheck) -> list[Cells]:
    return [(one.split, one.also_in, one.sentences, one.with_other_tags) for one in check.overlaps]


def _unknown(check: DataCheck) -> list[Cells]:
    return [
        (name, " ".join(f"{character!r}x{count}" for character, count in split.unknown_characters.top))
        for name, split in check.splits.items()
        if split.unknown_characters.top
    ]


def _user_dictionary(uses: Sequence[LineUse]) -> Table:
    """Lines of the user dictionary: those that never matched first, each group in file order."""
    rows: list[Cells] = [
        (one.line, one.word, one.segments, one.sentences, one.note or ("" if one.segments else "never matched"))
        for one in sorted(uses, key=lambda one: (one.segments > 0, one.line))
    ]
    return Table("User dictionary", ("line", "word", "segments", "sentences", "note"), rows)

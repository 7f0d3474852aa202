"""Check of a data set before training on it: counts, broken tags, duplicates, leaks, coverage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ssmi.pipeline.contract.labels import Span
from ssmi.pipeline.contract.parquet.tables import SPLITS
from ssmi.pipeline.features.text.blanks import visible_sentences
from ssmi.pipeline.features.text.segmentation import Cut, segment_sentence
from ssmi.pipeline.inspect.data_findings import (
    DataCheck,
    Finding,
    Overlap,
    SegmenterMatch,
    SplitCheck,
    UnknownCharacters,
    VocabularyMatch,
)
from ssmi.pipeline.readers import ReadReport, Sentence, read_sentences
from ssmi.pipeline.readers.options import DEFAULT, ReadOptions
from ssmi.pipeline.readers.sentence import LINES_KEPT, types_alike

FindWords = Callable[[str], Iterable[tuple[int, int]]]
"""A text → every vocabulary word in it, as half-open code-point offsets."""

SegmenterPair = tuple[Cut, Cut]
"""Two segmenters to compare."""

COMPARED_SENTENCES = 1000
"""Sentences of each split that are segmented twice: jieba segments about a thousand per second."""
FEW_EXAMPLES = 10
TOP_UNKNOWN = 10
NO_ENTITY = "no entity in any sentence, so there is nothing to learn"
_Variants = dict[str, set[tuple[Span, ...]]]


def check_splits(
    splits: Mapping[str, Path],
    *,
    known_characters: Callable[[str], bool],
    max_characters: int,
    find_words: FindWords | None,
    segmenters: SegmenterPair | None = None,
    options: ReadOptions = DEFAULT,
) -> DataCheck:
    """Read every split and report on it. The distinct sentences of all splits are kept in memory.

    Args:
        splits: ``train``, ``dev``, ``test`` or another name → raw file.
        known_characters: Returns whether the encoder knows a character.
        max_characters: Most characters of a sentence that the encoder takes at once.
        find_words: Finds the vocabulary's words in a text; None leaves out match rates.
        segmenters: Two segmenters to compare on the first ``COMPARED_SENTENCES`` of each split; None compares none.
        options: How the files are read.

    Returns:
        Counts and findings by split, and what splits share.

    Raises:
        InputDataError: A file cannot be read; see ``read_sentences``.
    """
    checks: dict[str, SplitCheck] = {}
    variants: dict[str, _Variants] = {}
    overlaps: list[Overlap] = []
    for name in _in_order(splits):
        tally = _Tally(
            known_characters=known_characters,
            max_characters=max_characters,
            find_words=find_words,
            segmenters=segmenters,
        )
        report, counts_with = _read(splits[name], tally, variants, options, split=name)
        checks[name] = tally.result(report)
        variants[name] = tally.variants
        overlaps += [Overlap(name, other, both, differing) for other, (both, differing) in counts_with.items()]
    return _combine(checks, overlaps)


def _in_order(splits: Iterable[str]) -> list[str]:
    """Sort the splits, train, dev and test first, so that overlaps with train are reported for the other splits."""
    order = {name: rank for rank, name in enumerate(SPLITS)}
    return sorted(splits, key=lambda name: (order.get(name, len(order)), name))


def _read(
    path: Path, tally: _Tally, variants: Mapping[str, _Variants], options: ReadOptions, *, split: str
) -> tuple[ReadReport, dict[str, tuple[int, int]]]:
    """Tally a file's sentences, and count those that each earlier split has too, in all and with other entities."""
    shared, differing = Counter[str](), Counter[str]()
    sentences, report = read_sentences(path, options=options, split=split)
    for sentence in visible_sentences(sentences, report):
        tally.add(sentence)
        for other, of_other in variants.items():
            known = of_other.get(sentence.text)
            shared[other] += known is not None
            differing[other] += known is not None and sentence.entities not in known
    return report, {other: (shared[other], differing[other]) for other in variants}


def _combine(checks: dict[str, SplitCheck], overlaps: list[Overlap]) -> DataCheck:
    """Combine the checks of single splits into the check of the data set."""
    if "train" in checks and not checks["train"].entities:
        checks["train"].notes.append(NO_ENTITY)
    unseen, rare = _train_gaps(checks)
    alike = types_alike(label for check in checks.values() for label in check.entities)
    return DataCheck(checks, overlaps, unseen, rare, alike)


def _train_gaps(checks: Mapping[str, SplitCheck]) -> tuple[dict[str, int], dict[str, int]]:
    if "train" not in checks:
        return {}, {}
    train = checks["train"].entities
    others: Counter[str] = Counter()
    for name, check in checks.items():
        if name != "train":
            others.update(check.entities)
    unseen = {label: others[label] for label in sorted(others) if label not in train}
    return unseen, {label: count for label, count in train.items() if count < FEW_EXAMPLES}


class _Tally:
    """Counts one split, sentence by sentence."""

    def __init__(
        self,
        *,
        known_characters: Callable[[str], bool],
        max_characters: int,
        find_words: FindWords | None,
        segmenters: SegmenterPair | None,
    ) -> None:
        self._known_characters = known_characters
        self._max_characters = max_characters
        self._find_words = find_words
        self._segmenters = segmenters
        self._n_compared = self._n_differing = 0
        self.variants: _Variants = {}
        self._labels: Counter[str] = Counter()
        self._characters: Counter[str] = Counter()
        self._too_long: list[int] = []
        self._longest = self._without_entity = self._n_too_long = 0
        self._n_characters = self._covered = self._matched = 0

    def add(self, sentence: Sentence) -> None:
        """Count one sentence."""
        self._characters.update(sentence.characters)
        self._labels.update(entity.label for entity in sentence.entities)
        self.variants.setdefault(sentence.text, set()).add(sentence.entities)
        self._without_entity += not sentence.entities
        length = len(sentence.characters)
        self._longest = max(self._longest, length)
        if length > self._max_characters:
            self._n_too_long += 1
            if len(self._too_long) < LINES_KEPT:
                self._too_long.append(sentence.line)
        if self._find_words is not None:
            self._match(sentence, self._find_words)
        if self._segmenters is not None and self._n_compared < COMPARED_SENTENCES:
            one, other = (segment_sentence(sentence.characters, cut)[1] for cut in self._segmenters)
            self._n_compared += 1
            self._n_differing += one != other

    def _match(self, sentence: Sentence, find_words: FindWords) -> None:
        text = sentence.text
        words = set(find_words(text))
        inside = bytearray(len(text))
        for start, end in words:
            inside[start:end] = b"\x01" * (end - start)
        self._n_characters += len(text)
        self._covered += sum(inside)
        self._matched += sum((entity.start, entity.end) in words for entity in sentence.entities)

    def result(self, report: ReadReport) -> SplitCheck:
        """Return the finished check; ``report`` must be complete."""
        vocabulary = None
        if self._find_words is not None:
            vocabulary = VocabularyMatch(
                covered_characters=_share(self._covered, self._n_characters),
                matched_entities=_share(self._matched, report.n_entities),
            )
        return SplitCheck(
            file=report.path.name,
            format=report.format,
            scheme=report.scheme,
            notes=list(report.notes),
            sentences=report.n_sentences,
            characters=report.n_characters,
            longest_sentence=self._longest,
            sentences_without_entity=self._without_entity,
            entities=dict(sorted(self._labels.items())),
            repairs=_findings(report.repairs, report),
            skipped=_findings(report.skipped, report),
            duplicates=report.n_sentences - len(self.variants),
            texts_tagged_two_ways=sum(len(tagged) > 1 for tagged in self.variants.values()),
            too_long=Finding(self._n_too_long, self._too_long),
            unknown_characters=self._unknown(),
            vocabulary=vocabulary,
            segmenters=SegmenterMatch(self._n_compared, self._n_differing) if self._segmenters else None,
        )

    def _unknown(self) -> UnknownCharacters:
        unknown = {mark: count for mark, count in self._characters.items() if not self._known_characters(mark)}
        ranked = sorted(unknown.items(), key=lambda item: (-item[1], item[0]))
        return UnknownCharacters(sum(unknown.values()), len(unknown), ranked[:TOP_UNKNOWN])


def _findings(counts: Mapping[str, int], report: ReadReport) -> dict[str, Finding]:
    return {reason: Finding(counts[reason], list(report.first_lines[reason])) for reason in sorted(counts)}


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0

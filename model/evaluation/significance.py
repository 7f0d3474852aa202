"""Significance of the difference in F1 between two systems, with a bootstrap interval.

The sentences of the split are resampled alike for both systems and all their seeds, so the interval is paired (Koehn
2004; Berg-Kirkpatrick et al. 2012). If a system was trained with several seeds, these are resampled too: jointly if
both systems have the same seeds, independently otherwise. A system's F1 is the mean of its seeds' micro-averaged F1. A
few seeds underestimate the variation: the variance over n seeds is on average (n - 1) / n of the true variance, so with
two or three seeds the interval is somewhat too narrow.

The resamples of sentences depend only on the seed and the number of sentences, so every comparison on a split uses the
same ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ssmi.model.evaluation.sentence_counts import SentenceCounts
from ssmi.pipeline.contract.label_groups import ALL_TYPES, NO_GROUPS, LabelGroups, members

RESAMPLES = 2_000
LEVEL = 0.95
SEED = 13
ALL = ALL_TYPES
"""Name of the group of all types."""
_CELLS = 1 << 22
"""Limit on sentences times resamples processed at once: 32 MB."""

Figures = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class System:
    """A system's runs on one split, by seed: at least one. ValueError unless all are on the same sentences."""

    runs: Mapping[int, SentenceCounts]

    def __post_init__(self) -> None:
        """Check that all runs are on the same sentences."""
        first, *others = self.runs.values()
        if any(first_difference(first, other) is not None for other in others):
            raise ValueError("runs on different sentences")

    @property
    def counted(self) -> SentenceCounts:
        """The first of the runs, which gives the sentences."""
        return next(iter(self.runs.values()))


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference in F1 between a system and a base; all values are from -1 to 1."""

    f1: float
    base_f1: float
    low: float
    high: float
    """Upper end of the interval of the gain; ``low`` is its lower end."""
    opposite_sign_share: float
    """Share of resamples, from 0 to 1, whose gain is 0 or of the opposite sign; approximates its probability."""

    @property
    def gain(self) -> float:
        """The F1 of the system minus the F1 of the base."""
        return self.f1 - self.base_f1

    @property
    def significant(self) -> bool:
        """Whether the interval excludes 0."""
        return not self.low <= 0 <= self.high

    def to_json(self) -> dict[str, Any]:
        """Return the fields and properties as JSON values."""
        return {
            "f1": self.f1,
            "base_f1": self.base_f1,
            "gain": self.gain,
            "low": self.low,
            "high": self.high,
            "opposite_sign_share": self.opposite_sign_share,
            "significant": self.significant,
        }


@dataclass(frozen=True, slots=True)
class Sampled:
    """A system's F1 on the split and on its resamples.

    Attributes:
        seeds: The seeds of the runs, in the order of the arrays.
        f1: F1 of each seed and group on the split. Shape: (n_seeds, n_groups)
        resampled: F1 of each seed and group on each resample. Shape: (n_resamples, n_seeds, n_groups)

    """

    seeds: tuple[int, ...]
    f1: Figures
    resampled: Figures


def first_difference(one: SentenceCounts, other: SentenceCounts) -> int | None:
    """Return the index of the first sentence that differs between the two; None if none does."""
    pairs = zip(one.sentences, other.sentences, strict=False)
    differing = next((index for index, (mine, theirs) in enumerate(pairs) if mine != theirs), None)
    if differing is None and len(one.sentences) != len(other.sentences):
        return min(len(one.sentences), len(other.sentences))
    return differing


def groups(systems: Sequence[System], *, label_groups: LabelGroups = NO_GROUPS) -> dict[str, list[str]]:
    """Return what to compare: all types together, each type, and each group, with the types that belong to it."""
    types = sorted(
        {label for system in systems for run in system.runs.values() for counts in run.counts for label in counts}
    )
    return {ALL: types, **{label: [label] for label in types}, **members(label_groups, types)}


def sample(
    systems: Sequence[System],
    of: Mapping[str, Sequence[str]],
    *,
    n_resamples: int = RESAMPLES,
    seed: int = SEED,
) -> list[Sampled]:
    """Compute the F1 of every system on the same resamples of the sentences; ``of`` is the result of ``groups``.

    Raises ValueError unless all systems are on the same sentences.
    """
    if any(first_difference(systems[0].counted, system.counted) is not None for system in systems):
        raise ValueError("systems on different sentences")
    n_sentences, n_groups = len(systems[0].counted.sentences), len(of)
    columns = [_columns(run, of) for system in systems for run in system.runs.values()]
    # All runs side by side, so that a resample is drawn and multiplied once for all of them.
    correct, size = (np.concatenate([pair[kind] for pair in columns], axis=1) for kind in (0, 1))
    whole = _f1(correct.sum(0), size.sum(0))
    resampled = np.empty((n_resamples, correct.shape[1]))
    random = np.random.default_rng(seed)
    step = max(1, _CELLS // max(1, n_sentences))
    for start in range(0, n_resamples, step):
        n = min(step, n_resamples - start)
        # Integers in float64 sum exactly, in whatever order a library adds them.
        times = _times(random.integers(0, n_sentences, size=(n, n_sentences)), n_sentences)
        resampled[start : start + n] = _f1(times @ correct, times @ size)
    samples, first = [], 0
    for system in systems:
        n_seeds = len(system.runs)
        columns_of = slice(first * n_groups, (first + n_seeds) * n_groups)
        f1, of_resamples = whole[columns_of], resampled[:, columns_of]
        shape = (n_seeds, n_groups)
        samples.append(Sampled(tuple(system.runs), f1.reshape(shape), of_resamples.reshape(n_resamples, *shape)))
        first += n_seeds
    return samples


def differences(system: Sampled, base: Sampled, *, level: float = LEVEL, seed: int = SEED) -> list[Difference]:
    """Return the difference between a system and a base for each group, resampling the seeds."""
    n_resamples = len(system.resampled)
    draws = [
        np.random.default_rng((seed, role)).integers(0, len(one.seeds), size=(n_resamples, len(one.seeds)))
        for role, one in enumerate((system, base), start=1)
    ]
    if sorted(system.seeds) == sorted(base.seeds):  # paired: both systems get the same draws of seeds
        order = [base.seeds.index(seed_of_system) for seed_of_system in system.seeds]
        draws[1] = np.array(order)[draws[0]]
    means = [
        np.take_along_axis(one.resampled, draw[:, :, None], axis=1).mean(1)
        for one, draw in zip((system, base), draws, strict=True)
    ]
    gains = means[0] - means[1]
    low, high = np.quantile(gains, [(1 - level) / 2, (1 + level) / 2], axis=0)
    f1, base_f1 = system.f1.mean(0), base.f1.mean(0)
    opposite_sign_share = (gains * np.sign(f1 - base_f1) <= 0).mean(0)
    figures = zip(*(values.tolist() for values in (f1, base_f1, low, high, opposite_sign_share)), strict=True)
    return [Difference(*of_group) for of_group in figures]


def compare(
    system: System,
    base: System,
    *,
    label_groups: LabelGroups = NO_GROUPS,
    n_resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = SEED,
) -> dict[str, Difference]:
    """Compare two systems on the same sentences: overall (``ALL``), by type and by group of types.

    Raises ValueError if the systems are on different sentences.
    """
    of = groups([system, base], label_groups=label_groups)
    sampled = sample([system, base], of, n_resamples=n_resamples, seed=seed)
    return dict(zip(of, differences(*sampled, level=level, seed=seed), strict=True))


def _columns(run: SentenceCounts, of: Mapping[str, Sequence[str]]) -> tuple[Figures, Figures]:
    """Return each sentence's correct entities, and its gold plus predicted ones. Shapes: (n_sentences, n_groups)."""
    columns_of: dict[str, list[int]] = {}
    for column, types in enumerate(of.values()):
        for label in types:
            columns_of.setdefault(label, []).append(column)
    correct, size = (np.zeros((len(run.counts), len(of))) for _ in range(2))
    for row, of_sentence in enumerate(run.counts):
        for label, counts in of_sentence.items():
            correct[row, columns_of[label]] += counts.correct
            size[row, columns_of[label]] += counts.gold + counts.predicted
    return correct, size


def _times(chosen: npt.NDArray[np.int64], n_sentences: int) -> Figures:
    """Count how often each resample draws each sentence. Shape: (n_resamples, n_sentences)."""
    flat = chosen + n_sentences * np.arange(len(chosen))[:, None]
    return np.bincount(flat.ravel(), minlength=chosen.size).reshape(chosen.shape).astype(np.float64)


def _f1(correct: Figures, size: Figures) -> Figures:
    # F1 is 0 if nothing is gold or predicted, as in `scoring`.
    return np.divide(2 * correct, size, out=np.zeros_like(correct), where=size > 0)

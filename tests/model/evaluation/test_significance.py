"""The interval of a difference in F1: against a plain loop, against a known case, and its invariants."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssmi.model.evaluation.scoring import EntityCounts
from ssmi.model.evaluation.sentence_counts import SentenceCounts
from ssmi.model.evaluation.significance import ALL, SEED, System, compare, first_difference, groups

Sentence = dict[str, tuple[int, int, int]]


def counted(*sentences: Sentence) -> SentenceCounts:
    return SentenceCounts(
        [f"{place}" for place in range(len(sentences))],
        [{label: EntityCounts(*numbers) for label, numbers in sentence.items()} for sentence in sentences],
    )


def random_run(seed: int, n_sentences: int = 40, *, skill: float = 0.6) -> SentenceCounts:
    random, gold = np.random.default_rng(seed), np.random.default_rng(5)
    sentences = []
    for _ in range(n_sentences):
        counts: Sentence = {}
        for label in ("LOC", "PER"):
            n_gold = int(gold.integers(0, 4))
            correct = int(random.binomial(n_gold, skill))
            if n_gold:
                counts[label] = (n_gold, correct + int(random.integers(0, 2)), correct)
        sentences.append(counts)
    return counted(*sentences)


def plain_f1(run: SentenceCounts, sentences: list[int], labels: list[str]) -> float:
    correct = size = 0
    for place in sentences:
        for label in labels:
            counts = run.counts[place].get(label, EntityCounts(0, 0, 0))
            correct += counts.correct
            size += counts.gold + counts.predicted
    return 2 * correct / size if size else 0.0


@pytest.mark.parametrize(("seeds", "base_seeds"), [((1,), (1,)), ((1, 2, 3), (1, 2, 3)), ((1, 2, 3), (7, 8))])
def test_intervals_equal_a_plain_loop(seeds: tuple[int, ...], base_seeds: tuple[int, ...]) -> None:
    n, n_resamples = 40, 300
    system = System({seed: random_run(seed, skill=0.7) for seed in seeds})
    base = System({seed: random_run(10 + seed) for seed in base_seeds})
    sentences = np.random.default_rng(SEED).integers(0, n, size=(n_resamples, n))
    system_draws = np.random.default_rng((SEED, 1)).integers(0, len(seeds), size=(n_resamples, len(seeds)))
    base_draws = np.random.default_rng((SEED, 2)).integers(0, len(base_seeds), size=(n_resamples, len(base_seeds)))
    if seeds == base_seeds:
        base_draws = system_draws
    comparison = compare(system, base, n_resamples=n_resamples)
    assert list(comparison) == [ALL, "LOC", "PER"]
    for name, labels in ((ALL, ["LOC", "PER"]), ("LOC", ["LOC"]), ("PER", ["PER"])):
        gains = []
        for chosen, system_draw, base_draw in zip(
            sentences.tolist(), system_draws.tolist(), base_draws.tolist(), strict=True
        ):
            f1s = [plain_f1(system.runs[seeds[place]], chosen, labels) for place in system_draw]
            base_f1s = [plain_f1(base.runs[base_seeds[place]], chosen, labels) for place in base_draw]
            gains.append(math.fsum(f1s) / len(f1s) - math.fsum(base_f1s) / len(base_f1s))
        all_sentences = list(range(n))
        f1 = sum(plain_f1(run, all_sentences, labels) for run in system.runs.values()) / len(seeds)
        base_f1 = sum(plain_f1(run, all_sentences, labels) for run in base.runs.values()) / len(base_seeds)
        result = comparison[name]
        assert (result.f1, result.base_f1) == (pytest.approx(f1), pytest.approx(base_f1))
        assert (result.low, result.high) == pytest.approx(tuple(np.quantile(gains, [0.025, 0.975])))
        assert result.opposite_sign_share == pytest.approx(
            np.mean(np.array(gains) * np.sign(f1 - base_f1) <= 0), abs=0.01
        )


def test_known_binomial_case() -> None:
    """One entity per sentence; the system finds all, the base half of them: the gain is a binomial proportion."""
    n = 400
    system = System({1: counted(*[{"X": (1, 1, 1)}] * n)})
    base = System({1: counted(*[{"X": (1, 1, place % 2)} for place in range(n)])})
    comparison = compare(system, base, n_resamples=5_000)[ALL]
    assert comparison.gain == 0.5
    # Quantiles of Binomial(400, 1/2) / 400; one entity is 0.0025, and resampling may be off by two entities.
    cumulative = np.cumsum([math.comb(n, k) / 2**n for k in range(n + 1)])
    low, high = (int(np.searchsorted(cumulative, share)) / n for share in (0.025, 0.975))
    assert comparison.low == pytest.approx(low, abs=0.0051) and comparison.high == pytest.approx(high, abs=0.0051)
    assert comparison.significant and comparison.opposite_sign_share == 0.0


@pytest.mark.parametrize("seeds", [(1,), (1, 2, 3)])
def test_equal_runs_show_no_difference(seeds: tuple[int, ...]) -> None:
    for comparison in compare(*[System({seed: random_run(seed) for seed in seeds})] * 2).values():
        assert (
            comparison.gain,
            comparison.low,
            comparison.high,
            comparison.significant,
            comparison.opposite_sign_share,
        ) == (0.0, 0.0, 0.0, False, 1.0)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), other=st.integers(0, 999))
def test_swapped_systems_give_negated_intervals(seed: int, other: int) -> None:
    one, two = System({1: random_run(seed, 12)}), System({1: random_run(other, 12)})
    forward, backward = (compare(*pair, n_resamples=200) for pair in ((one, two), (two, one)))
    for name, gain in forward.items():
        assert (gain.low, gain.high) == pytest.approx((-backward[name].high, -backward[name].low))
        assert -1 <= gain.low <= gain.high <= 1


def test_differences_between_seeds_widen_the_interval() -> None:
    """Large differences between seeds widen the interval."""
    good, bad, base = (counted(*[{"X": (1, 1, right)}] * 50) for right in (1, 0, 1))
    comparison = compare(System({1: good, 2: bad}), System({3: base}))[ALL]
    assert (comparison.low, comparison.gain, comparison.high) == (-1.0, -0.5, 0.0)


def test_groups_of_types_are_compared() -> None:
    label_groups = {"named": ("*.NAM",), "nominal": ("*.NOM",)}
    run = counted({"PER.NAM": (1, 1, 1), "LOC.NAM": (1, 0, 0), "PER.NOM": (2, 2, 0)})
    assert groups([System({1: run})], label_groups=label_groups) == {
        ALL: ["LOC.NAM", "PER.NAM", "PER.NOM"],
        "LOC.NAM": ["LOC.NAM"],
        "PER.NAM": ["PER.NAM"],
        "PER.NOM": ["PER.NOM"],
        "named": ["LOC.NAM", "PER.NAM"],
        "nominal": ["PER.NOM"],
    }
    comparison = compare(System({1: run}), System({1: run}), label_groups=label_groups, n_resamples=100)
    assert (comparison["named"].f1, comparison["nominal"].f1) == (pytest.approx(2 / 3), 0.0)


def test_no_entities_give_zero_gain() -> None:
    (comparison,) = compare(System({1: counted({}, {})}), System({1: counted({}, {})})).values()
    assert (comparison.f1, comparison.low, comparison.high) == (0.0, 0.0, 0.0)


def test_different_sentences_are_refused() -> None:
    base = counted({}, {"X": (1, 1, 1)})
    other = SentenceCounts([*base.sentences[:1], "another"], base.counts)
    shorter = SentenceCounts(base.sentences[:1], base.counts[:1])
    assert [first_difference(base, run) for run in (base, other, shorter)] == [None, 1, 1]
    for run in (other, shorter):
        with pytest.raises(ValueError, match="different sentences"):
            compare(System({1: base}), System({1: run}))
        with pytest.raises(ValueError, match="different sentences"):
            System({1: base, 2: run})

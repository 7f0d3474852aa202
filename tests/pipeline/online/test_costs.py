"""Costs add up, and costs that were already reported do not change."""

from __future__ import annotations

from dataclasses import asdict, fields

from hypothesis import given
from hypothesis import strategies as st

from ssmi.pipeline.online.costs import CostCounter, WorkCounts

NAMES = [field.name for field in fields(WorkCounts)]
ADDED = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 1000))


@given(st.lists(ADDED, max_size=10))
def test_counts_are_sums_of_the_added_values(additions: list[dict[str, int]]) -> None:
    costs, other = CostCounter(), CostCounter()
    reported = [costs.counts]
    for added in additions:
        costs.add(**added)
        reported.append(costs.counts)
    for n, counts in enumerate(reported):
        assert asdict(counts) == {name: sum(added.get(name, 0) for added in additions[:n]) for name in NAMES}
    assert other.counts == WorkCounts()
